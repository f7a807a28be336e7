/**
 * Two sandboxes' worth of users, private directories, sockets and ledgers, made by the code that makes the real
 * ones, with the attacker in the place of the VMM of the first and a neighbour in the place of the second's.
 */

import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { builtInConfig } from '../../src/config/load.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { processRef } from '../../src/linux/processes/proc.ts'
import { listenUnix } from '../../src/linux/sockets/socket.ts'
import { silentLogger } from '../../src/log.ts'
import { type IdentityOptions, takeIdentity } from '../../src/rootless/identity/identity.ts'
import { makePrivateDir } from '../../src/rootless/identity/private-dir.ts'
import { launch } from '../../src/rootless/jail/jail.ts'
import type { Identity, LaunchedProcess, LaunchSpec } from '../../src/rootless/jail/launch-spec.ts'
import { resourceKinds } from '../../src/sandbox/end/resource-kinds.ts'
import { jailPaths as clhPaths, nodeDirs } from '../../src/vmm/cloud-hypervisor/settings/vm-config.ts'
import { clhSyscalls } from '../../src/vmm/cloud-hypervisor/syscalls.ts'
import { qemuCommandLine } from '../../src/vmm/qemu/settings/command-line.ts'
import { qemuSyscalls } from '../../src/vmm/qemu/syscalls.ts'
import type { MachineSpec } from '../../src/vmm/vmm.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'

/** Result per act: `ok` or the name of the errno. */
export type Results = ReadonlyMap<string, string>

/** What the runtime takes for a sandbox before its VMM exists. */
export interface OwnedSandbox {
  readonly identity: Identity
  readonly stateDir: string
  readonly privateDir: string
  readonly ledger: Ledger
}

interface Sandbox extends OwnedSandbox {
  /** Listening sockets of the runtime, in the order of the VMM's descriptors. */
  readonly listeners: readonly number[]
  readonly output: number
}

/** The jail of a VMM, as its driver builds it. */
export interface VmmJail {
  /** What the runtime listens on in the private directory, in the order in which it is handed over. */
  readonly sockets: readonly string[]
  /** Whether its process makes files in the private directory. */
  readonly isBounded: boolean
  of(sandbox: OwnedSandbox, accelerator: 'kvm' | 'tcg'): Pick<LaunchSpec, 'paths' | 'syscalls' | 'nodeDirs'>
}

export class Stage implements AsyncDisposable {
  readonly directory: string
  readonly attacker: string
  readonly setuidAttacker: string
  readonly own: Sandbox
  readonly neighbour: Sandbox
  readonly neighbourProcess: LaunchedProcess
  readonly #jail: VmmJail

  private constructor(
    directory: string,
    jail: VmmJail,
    own: Sandbox,
    neighbour: Sandbox,
    process: LaunchedProcess,
  ) {
    this.directory = directory
    this.attacker = `${directory}/attacker`
    this.setuidAttacker = `${directory}/attacker-setuid`
    this.own = own
    this.neighbour = neighbour
    this.neighbourProcess = process
    this.#jail = jail
  }

  static async open(jail: VmmJail = qemuJail): Promise<Stage> {
    // Not below /run, which is mounted nosuid where systemd runs: there a setuid program shows nothing.
    const directory = ownDirectory('/var/lib/kt-attack-')
    chmodSync(directory, 0o711)
    compileAttacker(directory)
    const own = await makeSandbox(directory, 'own', jail)
    const neighbour = await makeSandbox(directory, 'neighbour', jail)
    const process = await launch(vmmSpec(jail, neighbour, `${directory}/attacker`), silentLogger)
    return new Stage(directory, jail, own, neighbour, process)
  }

  /** Performs the acts in the VMM's place: its identity, jail, descriptors and paths, only another program. */
  async jailed(
    acts: readonly string[],
    {
      identity = this.own.identity,
      accelerator = 'tcg',
    }: { identity?: Identity; accelerator?: 'kvm' | 'tcg' } = {},
  ): Promise<Results> {
    const spec = vmmSpec(this.#jail, { ...this.own, identity }, this.attacker, accelerator)
    // The one path more: a program that would make everybody root, to show that it does not here.
    const setuid = { source: this.setuidAttacker, target: this.setuidAttacker, access: 'execute' } as const
    const results = new Map<string, string>()
    for (let left = acts; left.length > 0; left = acts.filter((act) => !results.has(act))) {
      const jailed = { ...spec, args: [...left], paths: [...spec.paths, setuid] }
      const { exited } = await launch(jailed, silentLogger, { timeoutMs: slow(20_000) })
      const { code, signal } = await exited
      for (const [act, result] of parse(readFileSync(`${this.own.stateDir}/output`, 'utf8')))
        results.set(act, result)
      truncateSync(`${this.own.stateDir}/output`)
      // It can make no process to try an act in: one that ends it, or puts another program in its place, ends the round.
      const last = left.find((act) => !results.has(act))
      if (last !== undefined)
        results.set(last, signal?.replace('SIG', '') ?? (code === 0 ? 'ok' : `exit ${code}`))
    }
    return results
  }

  /**
   * Performs the acts as another process of the same user without any jail; `more` are options of setpriv(1). With a shim it
   * sees what that has mounted, the private directory of a VMM among it.
   */
  unjailed(
    acts: readonly string[],
    { uid, groups, shimPid }: Pick<Identity, 'uid' | 'groups'> & { shimPid?: number } = this.own.identity,
    more: readonly string[] = [],
  ): Results {
    const supplementary = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]
    const ids = ['--reuid', `${uid}`, '--regid', `${uid}`, ...supplementary]
    return runActs([...inMountsOf(shimPid), 'setpriv', ...ids, ...more, this.attacker], acts)
  }

  /** Performs the acts as root, in throw-away mount and uts namespaces, so that no success changes the host. */
  asRoot(acts: readonly string[], shimPid?: number): Results {
    return runAsRoot(this.attacker, acts, shimPid)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.neighbourProcess.ref.pid, 'SIGKILL')
    await this.neighbourProcess.exited
    for (const { ledger, listeners, output } of [this.own, this.neighbour]) {
      await ledger.releaseAll()
      for (const fd of [...listeners, output]) closeSync(fd)
    }
    rmSync(this.directory, { recursive: true })
  }
}

/** Returns the program's path; a copy that makes everybody root lies beside it. */
export function compileAttacker(directory: string): string {
  const source = resolve(import.meta.dir, 'attacker.c')
  const run = Bun.spawnSync(['gcc', '-O1', '-Wall', '-Werror', '-o', `${directory}/attacker`, source])
  if (run.exitCode !== 0) throw new Error(`gcc: ${run.stderr}`)
  copyFileSync(`${directory}/attacker`, `${directory}/attacker-setuid`)
  chmodSync(`${directory}/attacker-setuid`, 0o4755)
  return `${directory}/attacker`
}

/** A user, its private directory and a state directory, by the functions that take the real ones. */
export async function takeSandbox(runDir: string, id: string, isBounded = false): Promise<OwnedSandbox> {
  const stateDir = `${runDir}/default/${id}`
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const ledger = new Ledger(`${stateDir}/ledger.jsonl`, resourceKinds, silentLogger)
  const options: IdentityOptions = {
    runDir,
    range: { base: 0x70000000, blocks: 4091 },
    sandbox: `default/${id}`,
    owner: processRef(process.pid)!,
    account: 'none',
    accelerator: 'auto',
  }
  const { identity, lease } = await takeIdentity(ledger, options, silentLogger)
  return { identity, stateDir, privateDir: await makePrivateDir(ledger, lease, isBounded), ledger }
}

async function makeSandbox(runDir: string, id: string, { sockets, isBounded }: VmmJail): Promise<Sandbox> {
  const owned = await takeSandbox(runDir, id, isBounded)
  const listeners = sockets.map((name) => listenUnix(`${owned.privateDir}/${name}`))
  return { ...owned, listeners, output: openSync(`${owned.stateDir}/output`, 'a') }
}

const machine: MachineSpec = {
  sandboxId: 'attack',
  kernel: import.meta.path,
  initrd: import.meta.path,
  kernelParams: [],
  vcpus: 1,
  maxVcpus: 1,
  memoryMiB: 128,
  maxMemoryMiB: 0,
  accelerator: 'tcg',
}

const qemuJail: VmmJail = {
  sockets: ['qmp.sock', 'agent.sock', 'console.sock', 'vhost-fs.sock'],
  isBounded: false,
  of: (_, accelerator) => {
    const { paths } = qemuCommandLine(
      { ...machine, accelerator, share: { tag: 'kataShared', socket: -1, queueSize: 1024 } },
      {
        ...builtInConfig().hypervisor,
        pcieRootPort: 0,
        memorySlots: 0,
        seccompSandbox: 'on',
        firmwareDirs: ['/usr/share/qemu', '/usr/share/seabios'],
        hostCpus: 1,
        hostMemoryMiB: 128,
      },
    )
    return { paths, syscalls: qemuSyscalls }
  },
}

/** It always shows /dev/kvm. */
export const clhJail: VmmJail = {
  sockets: ['api.sock'],
  isBounded: true,
  of: ({ identity, privateDir, stateDir }) => {
    const { hypervisor } = builtInConfig()
    const settings = { ...hypervisor, hostCpus: 1, hostMemoryMiB: 128 }
    const paths = clhPaths({ ...machine, identity, privateDir, stateDir }, settings)
    return { paths, syscalls: clhSyscalls, nodeDirs }
  },
}

/** The VMM's own launch description, of which only the program is another one. */
function vmmSpec(
  jail: VmmJail,
  sandbox: Sandbox,
  program: string,
  accelerator: 'kvm' | 'tcg' = 'tcg',
): LaunchSpec {
  const { identity, stateDir, listeners, output } = sandbox
  return { program, args: [], identity, ...jail.of(sandbox, accelerator), fds: listeners, output, stateDir }
}

const inMountsOf = (shimPid?: number): string[] =>
  shimPid === undefined ? [] : ['nsenter', '--target', `${shimPid}`, '--mount']

/** Performs the acts as root, in throw-away mount and uts namespaces; with a shim, in a copy of its mounts. */
export function runAsRoot(attacker: string, acts: readonly string[], shimPid?: number): Results {
  return runActs(
    [...inMountsOf(shimPid), 'unshare', '--mount', '--uts', '--propagation', 'private', attacker],
    acts,
  )
}

/** Runs the attacker behind `command`. */
export function runActs(command: readonly string[], acts: readonly string[]): Results {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command, ...acts], {
    cwd: '/',
    env: { PATH: '/usr/bin:/usr/sbin' },
  })
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return parse(stdout.toString())
}

/** Those of the acts for which this host has not the system call, the file or the feature, or that it refuses to root too. */
export function lackingHere(acts: readonly string[]): ReadonlySet<string> {
  // Below /run nothing may be executed on many hosts.
  const directory = ownDirectory('/var/lib/kt-lacking-')
  try {
    compileAttacker(directory)
    const results = runAsRoot(`${directory}/attacker`, acts)
    return new Set(
      acts.filter((act) => ['ENOSYS', 'ENOENT', 'EOPNOTSUPP', 'EPERM'].includes(results.get(act) ?? '')),
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** One JSON line per act; others are a jailer's. */
export function parse(text: string): Results {
  const lines = text.split('\n').filter((line) => line.startsWith('{'))
  const results = lines.map((line) => JSON.parse(line) as { act: string; result: string })
  return new Map(results.map(({ act, result }) => [act, result]))
}
