/**
 * A logging program of the client's, as its binary:// URI names it (`nerdctl run -d`, `ctr run --log-uri`), started as
 * containerd's own shims do: the process's output is its descriptor 3, the error stream its descriptor 4, and it closes descriptor 5
 * once it is ready. The query of the URI is its arguments. Source: containerd, docs/runtime-v2 ("Logging").
 *
 * It runs as root with the rights of the shim, which are less than those of containerd, and in the shim's cgroup.
 */
import { accessSync, closeSync, constants } from 'node:fs'
import { KataError } from '../../errors.ts'
import { makeThreePipes, type Pipe } from '../../linux/files/pipe.ts'
import { statFields, statHasEnded } from '../../linux/processes/proc.ts'
import { sleep, within } from '../../time.ts'
import { descriptorSink, type OutputSink, untilClosed } from './stdio.ts'

/** Whose output it is. */
export interface LoggedProcess {
  readonly namespace: string
  /** The id of the container, or of the exec. */
  readonly id: string
}

export interface LoggingProgram {
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  /** Resolves once it has ended; it is killed when it takes too long after the end of its input. */
  readonly ended: Promise<void>
}

export interface LoggingLimits {
  /** How long it may take to be ready, milliseconds. */
  readonly readyMs: number
  /** How long it may take after the end of both streams, milliseconds; runc's shim gives as much. */
  readonly endMs: number
}

const limits: LoggingLimits = { readyMs: 10_000, endMs: 12_000 }
const scheme = 'binary://'
/** Bit of the field `flags` of /proc/PID/stat (<linux/sched.h>): its descriptors are being closed because it ends. */
const PF_EXITING = 0x4

export const isLoggingProgram = (uri: string): boolean => uri.startsWith(scheme)

/** Whether it can be started, as far as its file says. @throws KataError STDIO_INVALID. */
export function checkLoggingProgram(uri: string): void {
  const [path = ''] = commandOf(uri)
  try {
    accessSync(path, constants.X_OK)
  } catch (cause) {
    throw invalid(uri, (cause as NodeJS.ErrnoException).code ?? String(cause), cause)
  }
}

/** Starts it and waits until it is ready. @throws KataError STDIO_INVALID; nothing of it runs then. */
export async function startLoggingProgram(
  uri: string,
  { namespace, id }: LoggedProcess,
  { readyMs, endMs }: LoggingLimits = limits,
): Promise<LoggingProgram> {
  const command = commandOf(uri)
  const [out, err, ready] = makeThreePipes()
  const child = spawn(uri, command, { CONTAINER_ID: id, CONTAINER_NAMESPACE: namespace }, [out, err, ready])
  try {
    await untilReady(uri, child, ready.read, readyMs)
  } catch (error) {
    for (const { write } of [out, err]) closeSync(write)
    child.kill('SIGKILL')
    await child.exited
    throw error
  }
  const [stdout, stderr] = [pipeSink(out.write), pipeSink(err.write)]
  const ended = Promise.all([stdout.closed, stderr.closed]).then(() => endOf(child, endMs))
  return { stdout, stderr, ended }
}

/** A key without a value is followed by an empty argument, as the client expects from Go's parser. */
function commandOf(uri: string): string[] {
  const { host, pathname = '', searchParams } = URL.parse(uri) ?? {}
  const path = decoded(pathname)
  if (host !== '' || !path?.startsWith('/') || path.includes('\0'))
    throw invalid(uri, 'it names no program by an absolute path')
  const keys = new Set(searchParams?.keys())
  return [path, ...[...keys].flatMap((key) => [key, searchParams?.get(key) ?? ''])]
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** The program has the one end of each pipe then, and we have the other. */
function spawn(
  uri: string,
  command: string[],
  env: Record<string, string>,
  pipes: readonly [Pipe, Pipe, Pipe],
) {
  const [out, err, ready] = pipes
  try {
    return Bun.spawn(command, {
      env,
      stdio: ['ignore', 'ignore', 'ignore', out.read, err.read, ready.write],
    })
  } catch (cause) {
    for (const end of [out.write, err.write, ready.read]) closeSync(end)
    throw invalid(uri, (cause as NodeJS.ErrnoException).code ?? String(cause), cause)
  } finally {
    for (const end of [out.read, err.read, ready.write]) closeSync(end)
  }
}

async function untilReady(uri: string, child: Bun.Subprocess, ready: number, readyMs: number): Promise<void> {
  const reader = Bun.file(ready).stream().getReader()
  try {
    if ((await within(reader.read(), readyMs)) === undefined)
      throw invalid(uri, `its program is not ready after ${readyMs / 1000} s: it has not closed descriptor 5`)
  } finally {
    await reader.cancel()
    closeSync(ready)
  }
  if (isEnding(child.pid))
    throw invalid(uri, `its program ended with exit code ${await child.exited} at once`)
}

/** A program that ends closes its descriptors, too. */
function isEnding(pid: number): boolean {
  const fields = statFields(pid)
  return fields === undefined || statHasEnded(fields) || (Number(fields[6]) & PF_EXITING) !== 0
}

/**
 * The end of a stream is told to the program, and to all that wait for it: also of one that does not read what is left, whose time begins
 * then. A program that has gone fails the write (EPIPE).
 */
function pipeSink(fd: number): OutputSink & { readonly closed: Promise<void> } {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const sink = untilClosed(descriptorSink(fd))
  const close = () => {
    resolve()
    return sink.close()
  }
  return { ...sink, close, closed }
}

async function endOf(child: Bun.Subprocess, endMs: number): Promise<void> {
  const over = new AbortController()
  const late = sleep(endMs, over.signal).then(
    () => child.kill('SIGKILL'),
    () => {},
  )
  await Promise.race([child.exited, late])
  over.abort()
  await child.exited
}

function invalid(uri: string, problem: string, cause?: unknown): KataError<'STDIO_INVALID'> {
  return new KataError('STDIO_INVALID', { uri, problem }, cause === undefined ? {} : { cause })
}
