/**
 * virtiofsd as root with `--sandbox namespace`: it forks a worker into its own mount, pid and network namespace,
 * whose root is the shared directory, with its own seccomp filter and eight capabilities. We cut the rest: bounding
 * set, NoNewPrivs, environment, descriptors, core dumps (it maps the guest's memory).
 */
import { accessSync, closeSync, constants, lchownSync, readFileSync, unlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { isAlive, type ProcessRef, processRef, readProc } from '../linux/proc.ts'
import { killAndWait, waitGone } from '../linux/signal.ts'
import { connectUnix, listenUnix } from '../linux/socket.ts'
import { findTool, toolDirectories } from '../linux/which.ts'
import type { ExitInfo } from '../rootless/launch-spec.ts'
import { type BoundedLog, keepOutput } from './bounded-log.ts'
import type { ShareDaemon, ShareDaemonSpec } from './share-daemon.ts'

const startTimeoutMs = 10_000
/** The worker keeps the first eight; sys_admin and setpcap are for building its sandbox. */
const capabilities = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'setgid',
  'setuid',
  'mknod',
  'setfcap',
  'sys_admin',
  'setpcap',
]

export interface VirtiofsdData {
  readonly socketPath: string
  /** Missing while it is being started: then the end of our connection ends it. */
  readonly daemon?: ProcessRef
  readonly worker?: ProcessRef
}

/** The daemon, both its processes and its socket. */
export const virtiofsdResource: ResourceKind<VirtiofsdData> = {
  kind: 'virtiofsd',
  async release({ socketPath, daemon, worker }) {
    const workers = [worker, ...childrenOf(daemon)].filter((ref) => ref !== undefined)
    for (const ref of workers) await killOrThrow(ref)
    // The first process only waits for the worker, so it ends by itself and reaps it.
    if (daemon !== undefined && !(await waitGone(daemon, 500))) await killOrThrow(daemon)
    removeSocket(socketPath)
  },
}

/**
 * Binds the socket, connects to it and starts the daemon, which is running when this resolves.
 *
 * @throws KataError VIRTIOFSD_MISSING, VIRTIOFSD_FAILED, JAIL_TOOL_MISSING, SOCKET_PATH_TOO_LONG.
 */
export async function startVirtiofsd(ledger: Ledger, spec: ShareDaemonSpec): Promise<ShareDaemon> {
  const argv = virtiofsdCommand(spec)
  const socketPath = `${spec.privateDir}/vhost-fs.sock`
  return ledger.take(virtiofsdResource, { socketPath }, async (entry) => {
    const listener = listenUnix(socketPath)
    const connection = openToVmm(spec, socketPath)
    const child = spawnDaemon(argv, listener)
    const log = keepOutput(child.stderr, `${spec.stateDir}/virtiofsd.log`)
    const exited = child.exited.then(
      (): ExitInfo => ({ code: child.exitCode, signal: child.signalCode as NodeJS.Signals | null }),
    )
    const held = heldConnection(connection, exited)
    const daemon = processRef(child.pid)
    if (daemon !== undefined) entry.amend({ socketPath, daemon })
    const worker = await waitForWorker(daemon, exited, spec.program, log)
    entry.amend({ socketPath, daemon: daemon!, worker })
    return {
      socketPath,
      connect: held,
      exited,
      processes: [daemon!, worker],
      outputTail: log.tail,
      stop: () => ledger.release(virtiofsdResource, (data) => data.socketPath === socketPath),
    }
  })
}

/** The command line, and with it every check that needs no process. */
export function virtiofsdCommand(spec: ShareDaemonSpec): string[] {
  try {
    accessSync(spec.program, constants.X_OK)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('VIRTIOFSD_MISSING', { path: spec.program, reason }, { cause })
  }
  return [
    ...[tool('prlimit'), '--core=0:0', '--'],
    ...[tool('setpriv'), '--pdeathsig', 'KILL', '--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all'],
    ...[`--bounding-set=-all,${capabilities.map((name) => `+${name}`).join(',')}`, '--'],
    ...[spec.program, '--fd', '3', '--shared-dir', spec.sharedDir, '--sandbox', 'namespace'],
    ...['--seccomp', 'kill', '--cache', spec.cache, '--announce-submounts', '--log-level', 'warn'],
    // File handles would save descriptors, but opening them takes CAP_DAC_READ_SEARCH, which reaches any file.
    ...['--inode-file-handles=never', `--rlimit-nofile=${descriptorLimit()}`],
    ...spec.extraArgs,
  ]
}

function tool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('JAIL_TOOL_MISSING', { tool: name, directories: toolDirectories.join(', ') })
  return path
}

/** Our own hard limit: each file that the guest knows costs a descriptor, and raising it needs a capability. */
function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? 0)
  return Math.min(hard, 1_000_000)
}

function spawnDaemon(argv: string[], listener: number) {
  try {
    return Bun.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe', listener], env: {}, cwd: '/' })
  } finally {
    closeSync(listener)
  }
}

/** Makes the connection for the VMM, or lets its user make it. */
function openToVmm({ clientUid }: ShareDaemonSpec, socketPath: string): number | undefined {
  if (clientUid === undefined) return connectUnix(socketPath)
  lchownSync(socketPath, clientUid, clientUid)
  return undefined
}

/** The function that hands the connection over once; if nobody took it, it is closed with the daemon's end. */
function heldConnection(connection: number | undefined, exited: Promise<unknown>): () => number {
  let held = connection
  void exited.then(() => {
    if (held !== undefined) closeSync(held)
    held = undefined
  })
  return () => {
    if (held === undefined) throw new KataError('SHARE_CONNECTION_TAKEN')
    const taken = held
    held = undefined
    return taken
  }
}

/** Waits until the worker is in its sandbox: then the daemon has accepted its arguments and its directory. */
async function waitForWorker(
  daemon: ProcessRef | undefined,
  exited: Promise<ExitInfo>,
  path: string,
  log: BoundedLog,
): Promise<ProcessRef> {
  const deadline = Date.now() + startTimeoutMs
  while (daemon !== undefined && isAlive(daemon) && Date.now() < deadline) {
    const worker = childrenOf(daemon).find(({ pid }) => isFiltered(pid))
    if (worker !== undefined) return worker
    await Bun.sleep(1)
  }
  const end = await Promise.race([exited, Bun.sleep(200).then(() => undefined)])
  await Promise.race([log.ended, Bun.sleep(200)])
  const exit = end === undefined ? 'no worker within 10 s' : `exit code ${end.code}, signal ${end.signal}`
  throw new KataError('VIRTIOFSD_FAILED', { path, exit, tail: log.tail() || 'no output' })
}

/** The seccomp filter is the last thing that virtiofsd sets up before it serves. */
function isFiltered(pid: number): boolean {
  return /^Seccomp:\t2$/m.test(readProc(`/proc/${pid}/status`) ?? '')
}

function childrenOf(parent: ProcessRef | undefined): ProcessRef[] {
  if (parent === undefined || !isAlive(parent)) return []
  const pids = readProc(`/proc/${parent.pid}/task/${parent.pid}/children`) ?? ''
  return pids
    .split(' ')
    .filter((pid) => pid !== '')
    .map((pid) => processRef(Number(pid)))
    .filter((ref) => ref !== undefined)
}

/** The VMM's user owns the directory: whatever is in the socket's place goes with the directory, which has its own holding. */
function removeSocket(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or not a socket any more.
  }
}

async function killOrThrow(ref: ProcessRef): Promise<void> {
  if (!(await killAndWait(ref))) throw new KataError('PROCESS_STAYS', { name: 'virtiofsd', pid: ref.pid })
}
