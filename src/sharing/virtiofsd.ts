/**
 * virtiofsd, two processes of it: the one that we start makes the sandbox, forks the worker that serves, and waits.
 * Normally both are an unprivileged user of the host, root only in a user namespace of their own, in which the
 * share's mounts are idmapped; where that cannot be, root with eight capabilities.
 */
import { chmodSync, closeSync, lchownSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { childrenOf, isAlive, type ProcessRef, processRef } from '../linux/processes/proc.ts'
import { filtersOf } from '../linux/processes/seccomp.ts'
import { killAndWait, waitGone } from '../linux/processes/signal.ts'
import { mapUserNamespace } from '../linux/processes/user-namespace.ts'
import { connectUnix, listenUnix } from '../linux/sockets/socket.ts'
import { lastWords } from '../plain-text.ts'
import { argumentFilter, setIdFilter } from '../rootless/filters/argument-filter.ts'
import type { ExitInfo } from '../rootless/jail/launch-spec.ts'
import { settledPosture } from '../rootless/posture/posture-check.ts'
import { recordPosture } from '../rootless/posture/posture-record.ts'
import { poll, within } from '../time.ts'
import { type BoundedLog, keepOutput } from './bounded-log.ts'
import type { Idmap } from './idmap.ts'
import type { DaemonName, ShareDaemon, ShareDaemonSpec } from './share-daemon.ts'
import { virtiofsdCommand } from './virtiofsd-command.ts'
import { virtiofsdPostures } from './virtiofsd-posture.ts'

const startTimeoutMs = 10_000
/**
 * How long the last words of a daemon that was ended may take to be read, milliseconds. Its pipe closes with it, unless a
 * worker outlived the process that forked it.
 */
const lastWordsMs = 1000
/** In the private directory. */
const sockets: Readonly<Record<DaemonName, string>> = {
  virtiofsd: 'vhost-fs.sock',
  'virtiofsd-volumes': 'vhost-fs-volumes.sock',
}

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
    const children = daemon === undefined ? [] : childrenOf(daemon)
    const workers = [worker, ...children].filter((ref) => ref !== undefined)
    for (const ref of workers) await killOrThrow(ref)
    // The first process only waits for the worker, so it ends by itself and reaps it.
    const patience = workers.length > 0 ? 500 : 0
    if (daemon !== undefined && !(await waitGone(daemon, patience))) await killOrThrow(daemon)
    removeSocket(socketPath)
  },
}

/**
 * Binds the socket, connects to it and starts the daemon, which is running when this resolves.
 *
 * @throws KataError VIRTIOFSD_MISSING, VIRTIOFSD_FAILED, JAIL_TOOL_MISSING, SOCKET_PATH_TOO_LONG, and what
 *   `spec.accept` throws; nothing runs then.
 */
export async function startVirtiofsd(ledger: Ledger, spec: ShareDaemonSpec): Promise<ShareDaemon> {
  const argv = virtiofsdCommand(spec)
  const { name = 'virtiofsd' } = spec
  const socketPath = `${spec.privateDir}/${sockets[name]}`
  const start = ledger.take(virtiofsdResource, { socketPath }, async (entry) => {
    const listener = listenUnix(socketPath)
    const connection = openToVmm(spec, socketPath)
    const child = spawnDaemon(argv, name, spec, listener)
    const log = keepOutput(child.stderr, `${spec.stateDir}/${name}.log`)
    const exited = child.exited.then(
      (): ExitInfo => ({ code: child.exitCode, signal: child.signalCode as NodeJS.Signals | null }),
    )
    const held = heldConnection(connection, exited)
    const daemon = processRef(child.pid)
    if (daemon !== undefined) entry.amend({ socketPath, daemon })
    const idmap = await enterUserNamespace(spec, child, daemon, exited)
    if (idmap === undefined && spec.ids !== undefined)
      throw new NotStarted('no user namespace within 10 s', daemon, exited, log)
    const worker = await waitForWorker(daemon, spec.signal)
    if (daemon === undefined || worker === undefined)
      throw new NotStarted('no worker within 10 s', daemon, exited, log)
    entry.amend({ socketPath, daemon, worker })
    const { supervisor, worker: serving } = virtiofsdPostures(spec, worker.pid)
    await settledPosture(daemon.pid, supervisor)
    await settledPosture(worker.pid, serving)
    // From now on the mounts of containers are in what both see, and one of them opens what lies there.
    for (const [process, ref, posture] of [
      [name, daemon, supervisor],
      [`${name}-worker`, worker, { ...serving, opens: [...serving.opens, '/'] }],
    ] as const)
      recordPosture(spec.stateDir, { name: process, ref, expected: { ...posture, mountsBelow: true } })
    return {
      socketPath,
      connect: held,
      exited,
      processes: [daemon, worker],
      idmap,
    }
  })
  return start.catch(async (error) => {
    throw error instanceof NotStarted ? await startError(spec.program, error) : error
  })
}

/** A daemon that does not come up. It is ended before its exit and its words are asked for. */
class NotStarted extends Error {
  /** It lives, so that its exit is our doing and says nothing. */
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

function spawnDaemon(
  argv: string[],
  name: DaemonName,
  { ids, stateDir, nosuid }: ShareDaemonSpec,
  listener: number,
) {
  const path = `${stateDir}/${name}.filter`
  // Read by a process that is nobody here: the descriptor gets it past the directory, the mode to the bytes.
  writeFileSync(path, nosuid ? setIdFilter() : argumentFilter())
  chmodSync(path, 0o444)
  const filter = openSync(path, 'r')
  unlinkSync(path)
  try {
    const stdin = ids === undefined ? 'ignore' : 'pipe'
    return Bun.spawn(argv, { stdio: [stdin, 'ignore', 'pipe', listener, filter], env: {}, cwd: '/' })
  } finally {
    for (const fd of [listener, filter]) closeSync(fd)
  }
}

/** Makes the connection for the VMM, or lets its user make it. */
function openToVmm({ clientUid }: ShareDaemonSpec, socketPath: string): number | undefined {
  if (clientUid === undefined) return connectUnix(socketPath)
  lchownSync(socketPath, clientUid, clientUid)
  return undefined
}

/** Gives an unprivileged daemon its ids and lets it go on; the descriptor of its namespace is open until it ends. */
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
  stdin.write('go\n')
  await stdin.end()
  return idmap
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
  signal: AbortSignal | undefined,
): Promise<ProcessRef | undefined> {
  if (daemon === undefined) return undefined
  const look = () => {
    const worker = childrenOf(daemon).find(({ pid }) => isFiltered(pid))
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

/** Its own seccomp filter, on top of the shim's and of that of arguments, is among the last things that virtiofsd sets up before it serves. */
function isFiltered(pid: number): boolean {
  return filtersOf(pid) === filtersOf('self') + 2
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
