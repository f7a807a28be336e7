/**
 * Programs that read what strangers send: each is a child with a number for a user, which owns one directory at most. It has no
 * capability, no way to get any, no other process in sight, and the host's network. A filter keeps it from user namespaces, in which it would
 * have capabilities, from vsock, by which agents of guests take it for their host, and from the keys of root's login, which it still has.
 */
import { chmodSync, closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { systemTool, toolDirectories } from '../../linux/processes/which.ts'
import { argumentFilter } from '../../rootless/filters/argument-filter.ts'
import { realClock, sleep } from '../../time.ts'

export interface Run {
  /** The program and its arguments. */
  readonly argv: readonly string[]
  /** Beside HOME, TMPDIR and PATH; nothing else is in its environment. Root's own steps have it, too. */
  readonly environment: Readonly<Record<string, string>>
  readonly uid: number
  /** The only group that it has; undefined: none. */
  readonly gid: number | undefined
  /** Its /tmp, and where it starts. */
  readonly directory: string
  /** A descriptor for its output; undefined: nobody reads that. */
  readonly output?: number
  readonly signal: AbortSignal
  /** Bytes that have come so far. */
  readonly received: () => number
  /** Told of them now and then. @throws to end the run. */
  readonly onBytes: (bytes: number) => void
  /** What is thrown when nothing has come for so many seconds. */
  readonly stalled: (seconds: number) => Error
}

/** Between two looks at what has come, milliseconds. */
const lookMs = 200
/** Who sends nothing for so long is given up, milliseconds. */
const stallMs = 120_000
/**
 * Runs it to its end, after which no process of that user is left.
 *
 * @returns the end of what it said on standard error; `failed` unless it ended with 0.
 * @throws KataError IMAGE_READER_LEFT, caused by what else went wrong; what `onBytes` throws; `stalled`; the signal's reason.
 */
export async function runWithoutRights(
  run: Run,
): Promise<{ readonly failed: boolean; readonly words: string }> {
  const { uid, environment, output = 'ignore', signal } = run
  signal.throwIfAborted()
  const filter = openFilter(`${run.directory}/filter`)
  const stdio = ['ignore', output, 'pipe', filter] as const
  // Not on its command line, which every user of the host may read: a proxy's URL has a password in it.
  const env = { PATH: toolDirectories.join(':'), HOME: '/tmp', TMPDIR: '/tmp', ...environment }
  // In a session without a terminal: it could read what is typed at root's, and type there.
  const child = Bun.spawn({ cmd: commandLine(run), cwd: '/', env, stdio: [...stdio], detached: true })
  closeSync(filter)
  const words = endOf(child.stderr)
  const failure = await watch(child.exited, run).then(
    () => undefined,
    (cause: unknown) => ({ cause }),
  )
  child.kill('SIGKILL')
  await child.exited
  // What stays could change the files that the caller takes for read.
  if (!(await killUids(uid, uid))) throw new KataError('IMAGE_READER_LEFT', { uid }, failure)
  if (failure !== undefined) throw failure.cause
  return { failed: child.exitCode !== 0, words: await words }
}

/** The reader has no rights: the descriptor gets it past the directory, the file's mode lets it read. */
function openFilter(path: string): number {
  writeFileSync(path, argumentFilter(), { flag: 'wx' })
  chmodSync(path, 0o444)
  const fd = openSync(path, 'r')
  unlinkSync(path)
  return fd
}

/** Processes and threads of its user: one that was taken over must not fill the host's table. */
const mostProcesses = 1024
/**
 * Memory of each of its own, bytes: what it is sent must not make one that is sound fill the host's, by an answer that it keeps whole, say. Usual are
 * 0.1 GiB, and stacks of 8 MiB for each processor of the host. Many processes together, and memory that they share, have no bound by this.
 */
const mostData = 4 * 1024 ** 3
/** Characters that are kept of its output, which may have no end. */
const mostWords = 16_384

async function endOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let words = ''
  for await (const chunk of stream)
    words = (words + decoder.decode(chunk, { stream: true })).slice(-mostWords)
  return words
}

async function watch(exited: Promise<number>, { received, onBytes, stalled, signal }: Run): Promise<void> {
  let [last, since] = [-1, realClock.now()]
  for (;;) {
    const over = new AbortController()
    const ended = exited.then(() => true)
    const isOver = await Promise.race([
      ended,
      sleep(lookMs, AbortSignal.any([over.signal, signal])).then(() => false),
    ]).finally(() => over.abort())
    const bytes = received()
    onBytes(bytes)
    if (isOver) return
    if (bytes !== last) [last, since] = [bytes, realClock.now()]
    if (realClock.now() - since > stallMs) throw stalled(stallMs / 1000)
  }
}

function commandLine({ argv, uid, gid, directory }: Run): string[] {
  // Root's own steps: the directory becomes /tmp, so that the user needs no way to where it is.
  const script = 'mount --bind -o nosuid,nodev "$1" /tmp && cd /tmp && shift && exec "$@"'
  return [
    // A parent that dies takes all along: unshare its child, which is the first process of a pid namespace.
    ...[systemTool('setpriv'), '--pdeathsig', 'KILL', '--'],
    ...[systemTool('unshare'), '--mount', '--propagation', 'private', '--ipc', '--uts'],
    ...['--pid', '--fork', '--mount-proc', '--kill-child=KILL', '--'],
    ...[systemTool('sh'), '-c', script, 'sh', directory],
    ...[systemTool('setpriv'), `--reuid=${uid}`, `--regid=${uid}`],
    ...[gid === undefined ? '--clear-groups' : `--groups=${gid}`, '--inh-caps=-all'],
    ...['--bounding-set=-all', '--no-new-privs', '--pdeathsig', 'KILL'],
    ...['--seccomp-filter', '/proc/self/fd/3', '--', systemTool('sh'), '-c', 'exec "$@" 3<&-', 'sh'],
    ...[systemTool('prlimit'), '--core=0', `--nproc=${mostProcesses}`, `--data=${mostData}`, '--'],
    // The shell's `cd` has left it.
    ...[systemTool('env'), '-u', 'OLDPWD', ...argv],
  ]
}
