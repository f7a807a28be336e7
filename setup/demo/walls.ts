/** The same acts three times: as root, as the VMM's user without any jail, and in the VMM's place. */
import { lastWords } from '../../src/plain-text.ts'
import type { SandboxFacts } from '../../src/sandbox/records/facts.ts'
import type { Act, ProbeRequest } from './probe.ts'

export interface Wall {
  readonly goal: string
  /** `ok` or an errno, per attacker. */
  readonly root: string
  readonly user: string
  readonly jailed: string
}

/** @throws Error when a probe could not be made. */
export async function tryWalls(facts: SandboxFacts): Promise<Wall[]> {
  const { shimPid, vmmPid, privateDir, uid, gid, groups } = facts
  const service = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const tries: readonly (readonly [goal: string, act: Act])[] = [
    ['read the password hashes', ['read', '/etc/shadow']],
    ['add itself to /etc/passwd', ['write', '/etc/passwd']],
    ["look into root's home", ['list', '/root']],
    ["read the shim's memory", ['read', `/proc/${shimPid}/mem`]],
    ['signal the shim', ['signal', shimPid]],
    ['command QEMU by qmp.sock', ['connect', `${privateDir}/qmp.sock`]],
    ['reach a service of the host', ['connect-tcp', service.port]],
    ['become root again', ['become', 0]],
  ]
  const acts = tries.map(([, act]) => act)
  const as = { uid, gid, groups }
  try {
    const [root, user, jailed] = await Promise.all([
      probe({ acts }),
      probe({ acts, as }),
      probe({ acts, as, inPlaceOf: vmmPid }),
    ])
    return tries.map(([goal], i) => ({ goal, root: root![i]!, user: user![i]!, jailed: jailed![i]! }))
  } finally {
    service.stop(true)
  }
}

async function probe(request: ProbeRequest): Promise<string[]> {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/probe.ts`, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
    killSignal: 'SIGKILL',
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  try {
    return JSON.parse(stdout) as string[]
  } catch {
    throw new Error(`the probe did not get through: ${lastWords(stderr)}`)
  }
}
