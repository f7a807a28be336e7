// test:vmm: every VMM
/** `kata-ts` sees the containers that containerd started, and works in them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { executable } from '../harness/executable.ts'
import { eventually } from '../harness/kata.ts'
import { Containerd } from './containerd.ts'
import type { Pod } from './cri.ts'
import { busyboxImage } from './images.ts'

let containerd: Containerd
let pod: Pod
let web: string
beforeAll(async () => {
  containerd = await Containerd.start()
  pod = await containerd.cri.runPod()
  web = await pod.start(['sh', '-c', 'exec sleep 1000'])
})
afterAll(() => containerd.close())

/** Runs `kata-ts --namespace k8s.io ARGS`. */
function kata(...args: string[]) {
  const { stdout, stderr, exitCode } = Bun.spawnSync([executable, '--namespace', 'k8s.io', ...args])
  return { stdout: stdout.toString(), stderr: stderr.toString(), code: exitCode }
}

interface Listed {
  readonly id: string
  readonly namespace: string
  readonly status: string
  readonly vmmPid: number
  readonly image: string
  readonly command: readonly string[]
}

describe('containers of a pod', () => {
  test('ps lists them in their namespace, all with the one VMM of the pod', async () => {
    const list = JSON.parse(kata('ps', '--format', 'json').stdout) as Listed[]
    expect(list.map(({ id }) => id).sort()).toEqual([pod.id, web].sort())
    for (const { status, vmmPid } of list)
      expect({ status, vmmPid }).toEqual({ status: 'running', vmmPid: await pod.pid() })
    const found = list.find(({ id }) => id === web)!
    expect(found).toMatchObject({ image: busyboxImage, command: ['sh', '-c', 'exec sleep 1000'] })
  })

  test('ps of another namespace does not, of all namespaces does', () => {
    expect(Bun.spawnSync([executable, 'ps', '-q']).stdout.toString()).not.toContain(web)
    const all = Bun.spawnSync([executable, 'ps', '-A']).stdout.toString()
    expect(all).toMatch(new RegExp(`^k8s\\.io +${web} `, 'm'))
  })

  test('inspect shows container and sandbox', () => {
    const [facts] = JSON.parse(kata('inspect', web).stdout) as [
      { config: { process: object }; sandbox: { id: string } },
    ]
    expect(facts.sandbox.id).toBe(pod.id)
    expect(facts.config.process).toMatchObject({ args: ['sh', '-c', 'exec sleep 1000'] })
  })

  test('exec runs in it, by the beginning of its id too; streams and exit code pass through', () => {
    const command = ['sh', '-c', 'cat; hostname; exit 5']
    const child = Bun.spawnSync(
      [executable, '--namespace', 'k8s.io', 'exec', '-i', web.slice(0, 12), '--', ...command],
      {
        stdin: Buffer.from('from outside\n'),
      },
    )
    expect(child.stderr.toString()).toBe('')
    expect({ stdout: child.stdout.toString(), code: child.exitCode }).toEqual({
      stdout: `from outside\n${pod.config.hostname}\n`,
      code: 5,
    })
  })

  test('rm leaves them to whom they belong', () => {
    const { code, stderr } = kata('rm', '-f', web)
    expect(code).toBe(1)
    expect(stderr).toContain('[CONTAINER_FOREIGN]')
  })

  test('gc finds nothing to collect while they live', async () => {
    expect(kata('gc').stdout).toBe('nothing to collect\n')
    expect((await pod.exec(web, ['echo', 'alive'])).stdout).toBe('alive\n')
  })

  test('kill ends one, which containerd hears', async () => {
    const short = await pod.start(['sleep', '1000'])
    expect(kata('kill', '-s', 'KILL', short).code).toBe(0)
    await containerd.cri.calls.stopContainer({ containerId: short, timeout: 10n })
    // containerd may answer the one call before it has taken in the exit.
    const exitCode = await eventually('the exit to be known', async () => {
      const { status } = await containerd.cri.calls.containerStatus({ containerId: short })
      return status!.finishedAt > 0n ? status!.exitCode : undefined
    })
    expect(exitCode).toBe(137)
  })

  test('once it is removed nobody lists it', async () => {
    await pod.remove()
    expect(kata('ps', '-q').stdout).toBe('')
    expect(kata('inspect', web).stderr).toContain('[CONTAINER_NOT_FOUND]')
  })
})
