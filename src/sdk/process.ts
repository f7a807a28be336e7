/** A command that runs in a sandbox, with its streams. */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { deadline, retry, sleep, within } from '../time.ts'
import { type Call, type CommandWords, callToEnd, startCall } from './call.ts'
import { envLines } from './env.ts'
import { SandboxError } from './error.ts'
import { unlessFired } from './fired.ts'
import { requireNumber } from './options.ts'
import { readableFrom, writableTo } from './web-streams.ts'

export interface ProcessOptions {
  /** Variables in addition to those of the image. They are passed in a file, so other users of the host cannot see them. */
  readonly env?: Readonly<Record<string, string>>
  /** Working directory in the sandbox; default that of the image. */
  readonly cwd?: string
  /** Name or number in the sandbox, `1000:1000` for instance; default that of the image. */
  readonly user?: string
  /** Longest time from the call on, milliseconds. After it, the process in the sandbox is killed and the call fails with SDK_TIMED_OUT. */
  readonly timeoutMs?: number
  /** Kills the process in the sandbox; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * A running command. Read its outputs: a command whose output is not read blocks, as in a shell's pipe. Disposing kills it if it still
 * runs.
 */
export interface SandboxProcess extends AsyncDisposable {
  /**
   * Close it to end the command's input. It ends, too, when this program does, also by SIGKILL: the command sees the same end of file, as with
   * `docker exec -i`. What it must not take for all needs its length, or an end mark, within it.
   */
  readonly stdin: WritableStream<Uint8Array | string>
  readonly stdout: ReadableStream<Uint8Array>
  readonly stderr: ReadableStream<Uint8Array>
  /**
   * The exit code; 128 + n after signal n.
   *
   * @throws SandboxError COMMAND_NOT_FOUND, CONTAINER_NOT_RUNNING, SDK_TIMED_OUT...; the reason of `signal`.
   */
  readonly exitCode: Promise<number>
  /**
   * Sends a signal, such as `TERM`, to the command itself, not to its child processes. Default KILL. Waits until the command has started.
   *
   * @throws SandboxError when the command has ended.
   */
  kill(signal?: string): Promise<void>
}

/** How long ending a process may take, until its client is ended instead, milliseconds. */
const killLimitMs = 15_000
const killEveryMs = 100

export async function startProcess(
  words: CommandWords,
  name: string,
  command: readonly string[],
  options: ProcessOptions,
): Promise<SandboxProcess> {
  const { cwd, user, timeoutMs, signal } = options
  signal?.throwIfAborted()
  const env = envLines(options.env)
  requireNumber('timeoutMs', timeoutMs)
  const late = timeoutMs === undefined ? undefined : deadline(timeoutMs)
  const execId = `sdk-${randomUUID().slice(0, 13)}`
  const flags = [
    ...['exec', '--interactive', '--exec-id', execId],
    ...(cwd === undefined ? [] : ['--workdir', cwd]),
    ...(user === undefined ? [] : ['--user', user]),
  ]
  const call = await startCall(words, [...flags, name, '--', ...command], (directory) =>
    envFlags(env, directory),
  )
  const { child } = call
  const send = (word: string) =>
    callToEnd(words, ['kill', '--signal', word, '--exec-id', execId, name]).then(() => {})
  const kill = () => endProcess(call, () => send('KILL'))
  const exitCode = untilEnd(call, kill, { ...options, late })
  exitCode.catch(() => {})
  return {
    stdin: writableTo(child.stdin),
    stdout: readableFrom(child.stdout),
    stderr: readableFrom(child.stderr),
    exitCode,
    kill: (word = 'KILL') => signalStarted(child, () => send(word)),
    async [Symbol.asyncDispose]() {
      destroyOutputs(child)
      if (isRunning(child)) await kill()
    },
  }
}

/** A command that is about to start is not known yet, and one that has ended no more. What has written had started. */
async function signalStarted(child: Call['child'], send: () => Promise<void>): Promise<void> {
  const late = deadline(killLimitMs)
  for (;;) {
    const mayStart = isRunning(child) && !late.aborted && ![child.stdout, child.stderr].some(hasBytes)
    try {
      return await send()
    } catch (error) {
      if (!mayStart || !(error instanceof SandboxError) || error.code !== 'TASK_NOT_FOUND') throw error
    }
    await sleep(killEveryMs)
  }
}

const isRunning = ({ exitCode, signalCode }: Call['child']): boolean =>
  exitCode === null && signalCode === null

const hasBytes = (output: Readable): boolean => output.readableDidRead || output.readableLength > 0

/** The exit code, or why the process was killed. */
async function untilEnd(
  { result }: Call,
  kill: () => Promise<void>,
  {
    timeoutMs,
    late,
    signal,
  }: Pick<ProcessOptions, 'timeoutMs' | 'signal'> & { late: AbortSignal | undefined },
): Promise<number> {
  const first = await unlessFired(result, [late, signal])
  if (first !== 'cut') return first.exitCode
  await kill()
  if (signal?.aborted) throw signal.reason
  throw new SandboxError('SDK_TIMED_OUT', `the command ran longer than ${timeoutMs} ms and was killed`)
}

/** Kills until the client has seen the end. The command may be about to start, so one try is not enough. */
async function endProcess({ child, result }: Call, kill: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const ended = result
    .then(
      () => true,
      () => true,
    )
    .finally(() => over.abort())
  const killing = retry(kill, killEveryMs, deadline(killLimitMs, over.signal)).catch(() => {})
  if ((await within(ended, killLimitMs)) !== undefined) return void (await killing)
  // The caller does not read the output, or the runtime does not answer.
  destroyOutputs(child)
  if ((await within(ended, killLimitMs)) === undefined) child.kill('SIGKILL')
  over.abort()
  await killing
}

/** A client whose output is closed ends the command, and itself. */
function destroyOutputs(child: Call['child']): void {
  child.stdout.destroy()
  child.stderr.destroy()
}

/** In a file of this user's, each ended by a NUL: a value may have several lines. */
async function envFlags(lines: readonly string[], directory: string): Promise<string[]> {
  if (lines.length === 0) return []
  const file = join(directory, 'env')
  await writeFile(file, lines.map((line) => `${line}\0`).join(''), { mode: 0o600 })
  return ['--env-file', file]
}
