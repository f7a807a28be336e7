/**
 * virtiofsd, which is two processes. The one that we start makes the sandbox, forks the worker that serves, and waits. Normally both run
 * as an unprivileged user of the host, root only in their own user namespace, for which the share's mounts are idmapped. Where that is
 * not possible, they run as root with eight capabilities.
 */
import { chmodSync, closeSync, lchownSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { childrenOf, isAlive, type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { killAndWait, waitGone } from '../../linux/processes/signal.ts'
import { mapUserNamespace } from '../../linux/processes/user-namespace.ts'
import { connectUnix, listenUnix } from '../../linux/sockets/socket.ts'
import { lastWords } from '../../plain-text.ts'
import { confineBy, type HeldAs } from '../../rootless/confine.ts'
import { argumentFilter, setIdFilter } from '../../rootless/filters/argument-filter.ts'
import { exitOf } from '../../rootless/jail/exit-of.ts'
import type { ExitInfo } from '../../rootless/jail/launch-spec.ts'
import type { Launched, Launcher } from '../../rootless/launcher.ts'
import type { ExpectedPosture } from '../../rootless/posture/posture-check.ts'
import { poll, within } from '../../time.ts'
import type { Idmap } from '../idmap.ts'
import { type BoundedLog, keepOutput } from './bounded-log.ts'
import { virtiofsdCommand } from './command.ts'
import { virtiofsdPostures } from './posture.ts'
import type { DaemonName, ShareDaemon, ShareDaemonSpec } from './share-daemon.ts'

const startTimeoutMs = 10_000
/**
 * Longest wait for the last words of a stopped daemon, milliseconds. Its pipe closes when it exits, unless a worker outlived the process
 * that forked it.
 */
const lastWordsMs = 1000
/** Seccomp filters on top of the shim's: the argument filter, and its own, which virtiofsd sets shortly before it serves. */
const ownFilters = 2
/** Path in the private directory. */
const sockets: Readonly<Record<DaemonName, string>> = {
  virtiofsd: 'vhost-fs.sock',
  'virtiofsd-volumes': 'vhost-fs-volumes.sock',
}

export interface VirtiofsdData {
  readonly socketPath: string
  /** Absent during the start: then the daemon exits when our connection closes. */
  readonly daemon?: ProcessRef
  readonly worker?: ProcessRef
}

/** The daemon, both its processes and its socket. */
export const virtiofsdResource: ResourceKind<VirtiofsdData> = {
  kind: 'virtiofsd',
  async release({ socketPath, daemon, worker }) {
    const children = daemon === undefined ? [] : childrenOf(daemon)
    const workers = [worker, ...children].filter((ref) => ref !== undefined)
    for (const ref of workers) await killOrThrow(ref)
    // The first process only waits for the worker. It reaps the worker and exits by itself.
    const patience = workers.length > 0 ? 500 : 0
    if (daemon !== undefined && !(await waitGone(daemon, patience))) await killOrThrow(daemon)
    removeSocket(socketPath)
  },
}

/**
 * Binds the socket, connects to it and starts the daemon. Resolves when the daemon runs.
 *
 * @throws KataError VIRTIOFSD_MISSING, VIRTIOFSD_FAILED, JAIL_TOOL_MISSING, SOCKET_PATH_TOO_LONG, and errors of
 *   `spec.accept`. No process is left then.
 */
export async function startVirtiofsd(ledger: Ledger, spec: ShareDaemonSpec): Promise<ShareDaemon> {
  const { name = 'virtiofsd', stateDir } = spec
  const socketPath = `${spec.privateDir}/${sockets[name]}`
  const argv = virtiofsdCommand(spec)
  const heldAs: HeldAs<VirtiofsdData> = {
    kind: virtiofsdResource,
    data: ([daemon, worker]) => ({ socketPath, ...(daemon && { daemon }), ...(worker && { worker }) }),
  }
  const launch: Launcher<LaunchedDaemon> = (_, known) => launchDaemon(spec, { argv, name, socketPath }, known)
  try {
    return await confineBy(ledger, heldAs, { name, stateDir, launch }, async ({ postures }) => ({
      checked: postures.supervisor,
      working: withShare(postures.supervisor),
      settles: true,
    }))
  } catch (error) {
    throw error instanceof NotStarted ? await startError(spec.program, error) : error
  }
}

interface LaunchedDaemon extends Launched, ShareDaemon {
  readonly postures: ReturnType<typeof virtiofsdPostures>
}

async function launchDaemon(
  spec: ShareDaemonSpec,
  { argv, name, socketPath }: { argv: string[]; name: DaemonName; socketPath: string },
  known: (daemon: ProcessRef) => void,
): Promise<LaunchedDaemon> {
  const { child, connection } = connectAndSpawn(spec, { argv, name, socketPath })
  const log = keepOutput(child.stderr, `${spec.stateDir}/${name}.log`)
  const exited = exitOf(child)
  const connect = heldConnection(connection, exited)
  const daemon = processRef(child.pid)
  if (daemon !== undefined) known(daemon)
  const idmap = await enterUserNamespace(spec, child, daemon, exited)
  if (idmap === undefined && spec.ids !== undefined)
    throw new NotStarted('no user namespace within 10 s', daemon, exited, log)
  const worker = await waitForWorker(daemon, spec.signal)
  if (daemon === undefined || worker === undefined)
    throw new NotStarted('no worker within 10 s', daemon, exited, log)
  const postures = virtiofsdPostures(spec, worker.pid)
  // The worker opens files of containers.
  const serving = withShare({ ...postures.worker, opens: [...postures.worker.opens, '/'] })
  const asked = () => ({ checked: postures.worker, working: serving })
  return {
    ref: daemon,
    companions: [{ name: 'worker', ref: worker, asked }],
    postures,
    socketPath,
    connect,
    exited,
    processes: [daemon, worker],
    idmap,
  }
}

/** Once it serves, both processes see the mounts of containers. */
const withShare = (posture: ExpectedPosture): ExpectedPosture => ({ ...posture, mountsBelow: true })

/** The error of a daemon that does not start. It is stopped before its exit and its output are read. */
class NotStarted extends Error {
  /** The daemon lives, so we stop it and its exit says nothing. */
  readonly hangs: boolean
  readonly exited: Promise<ExitInfo>
  readonly log: BoundedLog

  constructor(why: string, daemon: ProcessRef | undefined, exited: Promise<ExitInfo>, log: BoundedLog) {
    super(why)
    this.hangs = daemon !== undefined && isAlive(daemon)
    this.exited = exited
    this.log = log
  }
}

/** Binds the socket, connects to it for the VMM and starts the daemon. No descriptor stays open when this fails. */
function connectAndSpawn(
  spec: ShareDaemonSpec,
  { argv, name, socketPath }: { argv: string[]; name: DaemonName; socketPath: string },
) {
  const listener = listenUnix(socketPath)
  let connection: number | undefined
  try {
    connection = openToVmm(spec, socketPath)
    return { child: spawnDaemon(argv, name, spec, listener), connection }
  } catch (error) {
    if (connection !== undefined) closeSync(connection)
    throw error
  } finally {
    closeSync(listener)
  }
}

function spawnDaemon(
  argv: string[],
  name: DaemonName,
  { ids, stateDir, nosuid }: ShareDaemonSpec,
  listener: number,
) {
  const path = `${stateDir}/${name}.filter`
  // The reader has no rights on the host. The descriptor gets it past the directory, the file's mode lets it read.
  writeFileSync(path, nosuid ? setIdFilter() : argumentFilter())
  chmodSync(path, 0o444)
  const filter = openSync(path, 'r')
  try {
    unlinkSync(path)
    const stdin = ids === undefined ? 'ignore' : 'pipe'
    return Bun.spawn(argv, { stdio: [stdin, 'ignore', 'pipe', listener, filter], env: {}, cwd: '/' })
  } finally {
    closeSync(filter)
  }
}

/** Connects for the VMM, or lets the VMM's user connect. */
function openToVmm({ clientUid }: ShareDaemonSpec, socketPath: string): number | undefined {
  if (clientUid === undefined) return connectUnix(socketPath)
  lchownSync(socketPath, clientUid, clientUid)
  return undefined
}

/** Writes an unprivileged daemon's id map and lets it go on. The descriptor of its namespace stays open until it exits. */
async function enterUserNamespace(
  { ids, accept, signal }: ShareDaemonSpec,
  { stdin }: { stdin: Bun.FileSink | undefined },
  daemon: ProcessRef | undefined,
  exited: Promise<unknown>,
): Promise<Idmap | undefined> {
  if (ids === undefined || daemon === undefined || stdin === undefined) return undefined
  const userNamespace = await mapUserNamespace(daemon, ids, { timeoutMs: startTimeoutMs, signal })
  if (userNamespace === undefined) return undefined
  void exited.then(() => closeSync(userNamespace))
  const idmap = { userNamespace, first: ids[0]!.outside, map: ids }
  accept?.(idmap)
  try {
    stdin.write('go\n')
    await stdin.end()
  } catch {
    // It has ended (EPIPE), of which its end says more.
  }
  return idmap
}

/** Returns the function that hands the connection over once. A connection that was not taken closes when the daemon exits. */
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

/** Waits until the worker is in its sandbox. By then the daemon has accepted its arguments and its directory. */
async function waitForWorker(
  daemon: ProcessRef | undefined,
  signal: AbortSignal | undefined,
): Promise<ProcessRef | undefined> {
  if (daemon === undefined) return undefined
  const serving = filtersOf('self') + ownFilters
  const look = () => {
    const worker = childrenOf(daemon).find(({ pid }) => filtersOf(pid) === serving)
    return worker ?? (isAlive(daemon) ? undefined : 'ended')
  }
  const found = await poll(look, { timeoutMs: startTimeoutMs, signal })
  return found === 'ended' ? undefined : found
}

async function startError(path: string, { message, hangs, exited, log }: NotStarted): Promise<KataError> {
  await within(log.ended, lastWordsMs)
  const end = await exited
  const exit = hangs ? message : `exit code ${end.code}, signal ${end.signal}`
  return new KataError('VIRTIOFSD_FAILED', { path, exit, tail: lastWords(log.tail()) })
}

/** The VMM's user owns the directory. A replaced socket goes away with the directory, which is a holding of its own. */
function removeSocket(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or no socket any more.
  }
}

async function killOrThrow(ref: ProcessRef): Promise<void> {
  if (!(await killAndWait(ref))) throw new KataError('PROCESS_STAYS', { name: 'virtiofsd', pid: ref.pid })
}
