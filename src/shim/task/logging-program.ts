/**
 * Logging programs, which a client names by a binary:// URI (`nerdctl run -d`, `ctr run --log-uri`). They start as under containerd's own shims:
 * descriptor 3 is the process's output, 4 its error stream, and the program closes 5 when it is ready. The URI's query gives the arguments.
 * Source: containerd, docs/runtime-v2 ("Logging").
 *
 * The program runs as root in the shim's cgroup. It has the shim's rights, which are less than containerd's.
 */
import { accessSync, closeSync, constants } from 'node:fs'
import { KataError } from '../../errors.ts'
import { makeThreePipes, type Pipe } from '../../linux/files/pipe.ts'
import { statFields, statHasEnded } from '../../linux/processes/proc.ts'
import { sleep, within } from '../../time.ts'
import { descriptorSink, type OutputSink, untilClosed } from './stdio.ts'

/** The process whose output is logged. */
export interface LoggedProcess {
  readonly namespace: string
  /** The id of the container, or of the exec. */
  readonly id: string
}

export interface LoggingProgram {
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  /** Resolves once the program has ended. It is killed if it takes too long after the end of its input. */
  readonly ended: Promise<void>
}

export interface LoggingLimits {
  /** Time for the program to become ready, milliseconds. */
  readonly readyMs: number
  /** Time for the program to end after both streams have ended, milliseconds; the same as in runc's shim. */
  readonly endMs: number
}

const limits: LoggingLimits = { readyMs: 10_000, endMs: 12_000 }
const scheme = 'binary://'
/** Bit of the field `flags` of /proc/PID/stat (<linux/sched.h>): the process is ending, and its descriptors are being closed. */
const PF_EXITING = 0x4

export const isLoggingProgram = (uri: string): boolean => uri.startsWith(scheme)

/** Checks that the program's file is executable. @throws KataError STDIO_INVALID. */
export function checkLoggingProgram(uri: string): void {
  const [path = ''] = commandOf(uri)
  try {
    accessSync(path, constants.X_OK)
  } catch (cause) {
    throw invalid(uri, (cause as NodeJS.ErrnoException).code ?? String(cause), cause)
  }
}

/** Starts the program and waits until it is ready. @throws KataError STDIO_INVALID; then the program does not run. */
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

/** Splits the URI into program and arguments. A key without a value gets an empty argument, as clients expect from Go's parser. */
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

/** Starts the program with one end of each pipe. Our process keeps the other end. */
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

/** Whether the program is ending, which closes its descriptors, too. */
function isEnding(pid: number): boolean {
  const fields = statFields(pid)
  return fields === undefined || statHasEnded(fields) || (Number(fields[6]) & PF_EXITING) !== 0
}

/**
 * A sink that writes to the program. `closed` resolves when closing begins, even if the program has not read everything: its time to end counts
 * from then. A write to a program that has gone fails (EPIPE).
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
