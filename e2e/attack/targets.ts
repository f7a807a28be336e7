/** What the attacks aim at: the words in braces of the table, and the services behind them. */
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { checked, libc } from '../../src/linux/libc.ts'
import type { SandboxFacts } from '../../src/sandbox/records/facts.ts'
import { vmm } from '../harness/vmm.ts'
import type { Stage } from './stage.ts'

export interface Targets extends Disposable {
  /** Puts the real names into the words in braces. */
  fill(act: string): string
}

/** What `kata-ts inspect` says of a sandbox. */
export interface LiveSandbox {
  readonly address: string
  readonly sandbox: SandboxFacts & { readonly stateDir: string }
}

/**
 * Opens what the host offers: a service on the loopback, abstract and ordinary sockets, shared memory, files. Without a live sandbox there are no
 * words for what attacks on one aim at.
 */
export function openTargets(stage: Stage, live?: LiveSandbox): Targets {
  const { directory, own, neighbour, neighbourProcess } = stage
  writeFileSync(`${directory}/configuration.toml`, '[runtime]\n', { mode: 0o644 })
  mkdirSync(`${directory}/images`, { mode: 0o700 })
  writeFileSync(`${directory}/images/initrd`, '', { mode: 0o600 })
  mkdirSync(`${directory}/core`)
  chmodSync(`${directory}/core`, 0o777)
  const tcp = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const abstract = `kata-ts-attack-${process.pid}`
  const hidden = Bun.listen({ unix: `\0${abstract}`, socket: { data() {} } })
  const service = Bun.listen({ unix: `${directory}/service.sock`, socket: { data() {} } })
  chmodSync(`${directory}/service.sock`, 0o666)
  const segment = sharedMemory()
  const words: Record<string, string | number> = {
    config: `${directory}/configuration.toml`,
    images: `${directory}/images`,
    ledger: `${own.stateDir}/ledger.jsonl`,
    neighbourLedger: `${neighbour.stateDir}/ledger.jsonl`,
    ownDir: own.privateDir,
    neighbourDir: neighbour.privateDir,
    neighbour: neighbourProcess.ref.pid,
    neighbourUid: neighbour.identity.uid,
    address: firstAddress(neighbourProcess.ref.pid),
    shim: process.pid,
    disk: hostDisk(),
    port: tcp.port,
    abstract,
    service: `${directory}/service.sock`,
    shm: segment.key,
    setuid: stage.setuidAttacker,
    scratch: `${directory}/core`,
    ...(live === undefined ? {} : wordsOf(live)),
  }
  return {
    fill: (act) => act.replace(/\{(\w+)\}/g, (_, name: string) => String(words[name])),
    [Symbol.dispose]() {
      for (const server of [tcp, hidden, service]) server.stop(true)
      segment[Symbol.dispose]()
    },
  }
}

/** For what attacks on a live sandbox aim at. */
const wordsOf = (live: LiveSandbox): Record<string, string | number> => ({
  vmm: live.sandbox.vmmPid,
  vmmAddress: firstAddress(live.sandbox.vmmPid),
  vmmShim: live.sandbox.shimPid,
  ...(vmm.driver === 'clh'
    ? { monitor: 'api.sock', agent: 'clh.sock' }
    : { monitor: 'qmp.sock', agent: 'agent.sock' }),
  vmmDir: live.sandbox.privateDir,
  vmmState: live.sandbox.stateDir,
  virtiofsd: live.sandbox.virtiofsdPids.at(-1)!,
  shimSocket: live.address.replace(/^unix:\/\//, ''),
})

/** Where the memory of a process begins, hexadecimal. */
function firstAddress(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, 'utf8').split('-')[0]!
}

/**
 * A block device of the host that root can read here (a device cgroup may refuse some). A loop device is taken where there is no other:
 * tests beside this one make and free them, and one that is being freed cannot be opened.
 */
export function hostDisk(): string {
  const isLoop = (name: string) => Number(/^loop\d/.test(name))
  const disk = readdirSync('/sys/block')
    .sort((one, other) => isLoop(one) - isLoop(other))
    .map((name) => `/dev/${name}`)
    .find(isReadable)
  if (disk === undefined) throw new Error('this host shows no disk to attack')
  return disk
}

function isReadable(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'))
    return true
  } catch {
    return false
  }
}

const SYS_shmget = 29
const SYS_shmctl = 31
const IPC_CREAT = 0o1000
const IPC_RMID = 0

/** A System V segment in the host's ipc namespace. */
function sharedMemory(): { key: number } & Disposable {
  const key = 0x6b740000 + (process.pid & 0xffff)
  const id = checked(libc.syscall(SYS_shmget, key, 4096, IPC_CREAT | 0o600, 0, 0, 0), 'shmget')
  return { key, [Symbol.dispose]: () => void libc.syscall(SYS_shmctl, id, IPC_RMID, 0, 0, 0, 0) }
}
