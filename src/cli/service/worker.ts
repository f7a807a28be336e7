/**
 * One process for one command of one user: it waits for a connection, asks the service whether this user may have one more, reads the
 * request and then is the command itself, with the user's streams. Nothing that a user sends is read by a process that serves another.
 *
 * The service gives it two pipes as standard streams and the listening socket as descriptor 3.
 */
import { closeSync, readSync, writeSync } from 'node:fs'
import type { Command } from 'commander'
import { KataError } from '../../errors.ts'
import { checked, lastErrno, libc, SyscallError } from '../../linux/libc.ts'
import { readOomScore, writeOomScore } from '../../linux/processes/oom-score.ts'
import { endAfterBusy, limitSpin } from '../../linux/processes/spin-limit.ts'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import { type Peer, peerOf } from '../../linux/sockets/peer.ts'
import { memberNamespace } from '../../sandbox/records/member-namespace.ts'
import { sleep } from '../../time.ts'
import { exitCodeOf } from '../exit-code.ts'
import { explain } from '../explain.ts'
import { ResultFile, toldError } from '../output/result-file.ts'
import type { Settings } from '../settings.ts'
import { createCaller, requireStreams } from './caller.ts'
import { isGone, receiveFrame, sendFrame } from './frame.ts'
import { type Ask, encodeEnd, readRequest, readSent, requestLimits, shortened } from './messages.ts'
import { type Restricted, restrict } from './restrict.ts'

export interface WorkerParts {
  /** The group whose members are served. */
  readonly gid: number
  /** Its name, for people. */
  readonly group: string
  /** The process of the service. */
  readonly servicePid: number
  table(): Command
  again(argv: readonly string[], result: ResultFile, gone: AbortSignal): Promise<number>
}

const listening = 3
const SOCK_CLOEXEC = 0o2000000
const PR_SET_PDEATHSIG = 1
const SIGTERM = 15
const SIGHUP = 1
/** What unmapped ids of other user namespaces look like. */
const overflowUid = 65_534
const sendMs = 10_000
/** HUP, INT, QUIT, USR1, USR2, TERM and WINCH. */
const forwarded: ReadonlySet<number> = new Set([1, 2, 3, 10, 12, 15, 28])
/** How long a command whose user is gone may take to end by itself, milliseconds. */
const [hangUpMs, killMs] = [10_000, 60_000]
/**
 * Seconds of processor time: of a request until its command begins, and of a command that does not look at its user meanwhile. The largest
 * layer of an image is read so, in a minute or a few.
 */
const [requestSeconds, busySeconds] = [30, 600]

export async function worker(settings: Settings, parts: WorkerParts): Promise<number> {
  // An idle one would go on to serve without its service.
  checked(libc.prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0), 'prctl PR_SET_PDEATHSIG')
  // It died before that.
  if (process.ppid !== parts.servicePid) return 0
  // systemd spares the service when memory runs out. What users ask for is no reason to end others' processes first.
  if ((readOomScore('self') ?? 0) < 0) writeOomScore('self', 0)
  for (;;) {
    const socket = accept()
    const code = await serve(settings, parts, socket)
    if (code !== undefined) return code
    closeSync(socket)
  }
}

function accept(): number {
  for (;;) {
    const socket = libc.accept4(listening, null, null, SOCK_CLOEXEC)
    if (socket !== -1) return socket
    const errno = lastErrno()
    if (errno !== 'EINTR' && errno !== 'ECONNABORTED') throw new SyscallError('accept4', errno)
  }
}

/** Undefined when the connection was refused, and this process can take another. */
async function serve(settings: Settings, parts: WorkerParts, socket: number): Promise<number | undefined> {
  const peer = peerOf(socket)
  const refusal = whyNot(peer, parts)
  if (refusal !== undefined) {
    logRefusal(settings, peer, refusal)
    refuse(socket, refusal)
    return undefined
  }
  closeSync(listening)
  // A command outlives its service: the container that it waits for is not the service's.
  checked(libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0), 'prctl PR_SET_PDEATHSIG')
  let restricted: Restricted
  endAfterBusy(requestSeconds)
  try {
    restricted = await prepare(settings, parts, socket, peer)
  } catch (error) {
    const told = codedOf(error)
    logRefusal(settings, peer, told)
    refuse(socket, told)
    return 0
  }
  return runFor(settings, parts, socket, peer, restricted)
}

function logRefusal({ log }: Settings, { uid, pid }: Peer, error: unknown): void {
  log.warn('refused', { uid, pid, error })
}

function whyNot(
  { uid, gid, groups }: Peer,
  { gid: wanted, group }: Pick<WorkerParts, 'gid' | 'group'>,
): KataError | undefined {
  if (uid === 0 || uid === overflowUid || !(gid === wanted || groups.includes(wanted)))
    return new KataError('SERVICE_NOT_A_MEMBER', { uid, group })
  writeSync(1, `${uid}\n`)
  const [word, count = ''] = readLine().split(' ')
  return word === 'go' ? undefined : new KataError('SERVICE_BUSY', { uid, count })
}

/** The service's answer. */
function readLine(): string {
  const byte = Buffer.alloc(1)
  for (let line = ''; ; line += byte.toString()) {
    if (readSync(0, byte) === 0) process.exit(0)
    if (byte[0] === 10) return line
  }
}

/** Reads the request and makes the user's streams this process's own. */
async function prepare(
  settings: Settings,
  { table }: WorkerParts,
  socket: number,
  { uid, gid, pid }: Peer,
): Promise<Restricted> {
  const frame = receiveFrame(socket, requestLimits)
  if (frame === undefined) throw new KataError('SERVICE_REQUEST', { reason: 'there is none' })
  requireStreams(frame.fds)
  const { argv } = readSent(readRequest, frame.text, 'request')
  const restricted = await restrict(table(), argv, createCaller(socket, { uid, gid }), settings)
  settings.log.info('runs', { uid, pid, command: restricted.command })
  for (const [index, fd] of frame.fds.entries()) {
    checked(libc.dup2(fd, index), 'dup2')
    closeSync(fd)
  }
  sendFrame(socket, { ask: 'go', name: '' } satisfies Ask, { timeoutMs: sendMs })
  return restricted
}

async function runFor(
  settings: Settings,
  { again }: WorkerParts,
  socket: number,
  { uid }: Peer,
  { argv: [name = '', ...words] }: Restricted,
): Promise<number> {
  using _limit = limitSpin(busySeconds)
  let isOver = false
  const gone = new AbortController()
  const connection = await adoptSocket(socket, {
    data: (_, bytes) => {
      for (const signal of bytes) if (forwarded.has(signal)) process.kill(process.pid, signal)
    },
    close: () => {
      if (isOver) return
      // It ran before the user came, and goes on without him.
      if (name === 'attach') process.exit(128 + SIGHUP)
      // What was to be started in the background is started, and goes on, too.
      if (name === 'start' || name === 'restart') void endStart(gone)
      else void hangUp()
    },
  })
  const { runDir, stateDir } = settings
  const where = ['--namespace', memberNamespace(uid), '--run-dir', runDir, '--state-dir', stateDir]
  const result = new ResultFile()
  const code = await again([name, ...where, ...words], result, gone.signal)
  isOver = true
  connection.end(encodeEnd(code, result.all))
  return code
}

/** As when the terminal of a command is closed; one that does not end by that has its container killed. */
async function hangUp(): Promise<void> {
  process.kill(process.pid, SIGHUP)
  await sleep(hangUpMs)
  // The second of these kills the container.
  for (let times = 0; times < 2; times++) {
    process.kill(process.pid, SIGTERM)
    await sleep(100)
  }
  await sleep(killMs)
  process.exit(128 + SIGHUP)
}

/** One that does not end by itself is ended without its container. */
async function endStart(gone: AbortController): Promise<void> {
  gone.abort()
  await sleep(killMs)
  process.exit(128 + SIGHUP)
}

function refuse(socket: number, error: unknown): void {
  const ask: Ask = {
    ask: 'refused',
    name: explain(error).slice(0, 16_384),
    code: exitCodeOf(error),
    error: shortened(toldError(error)),
  }
  try {
    sendFrame(socket, ask, { timeoutMs: sendMs })
  } catch {
    // It did not wait for the answer.
  }
}

/** Commander's errors have a code in our form. A command line may go at any time. */
function codedOf(error: unknown): unknown {
  if (isGone(error))
    return new KataError('SERVICE_REQUEST', { reason: 'the command line has ended' }, { cause: error })
  return error instanceof Error && 'coded' in error ? error.coded : error
}
