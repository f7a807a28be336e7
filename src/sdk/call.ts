/** One call of the executable, and what its result file says. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { deadline, poll, retry } from '../time.ts'
import { type CommandResult, readResultFile } from './answers.ts'
import { SandboxError, type SandboxErrorCode } from './error.ts'
import { Gathered } from './gathered.ts'

/** The executable with the options of all its commands: `['sudo', '-n', 'kata-ts', '--namespace', 'ci']`. */
export type CommandWords = readonly [string, ...string[]]

export interface CallResult {
  readonly exitCode: number
  readonly warnings: readonly string[]
}

export interface Call {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  /**
   * The exit code once the executable has ended, which is that of the command in the sandbox for `exec`.
   *
   * @throws SandboxError what the runtime told; SDK_EXECUTABLE_MISSING, SDK_ANSWER_MISSING.
   */
  readonly result: Promise<CallResult>
}

/** How long, and how often, what takes a descriptor is tried at the end of a call, milliseconds: none may be free while many calls run. */
const finishLimitMs = 5000
const finishEveryMs = 50

/** A directory for one call: of this user alone. */
export async function startCall(
  words: CommandWords,
  args: readonly string[],
  files: (directory: string) => Promise<readonly string[]> = async () => [],
): Promise<Call> {
  const [program, ...front] = words
  const noDirectory = (cause: NodeJS.ErrnoException) => {
    const message = `there is no directory for the answer of ${program} (${cause.message})`
    throw notStarted(message, 'Check the directory for temporary files (TMPDIR).', cause)
  }
  const directory = await mkdtemp(join(tmpdir(), 'kata-ts-sdk-')).catch(noDirectory)
  const removeOnce = () => rm(directory, { recursive: true, force: true })
  const remove = () => retry(removeOnce, finishEveryMs, deadline(finishLimitMs)).catch(() => {})
  try {
    const [command = '', ...rest] = args
    const file = join(directory, 'result')
    const own = await files(directory).catch(noDirectory)
    const child = started(program, [...front, '--result-file', file, command, ...own, ...rest])
    const exited = new Promise<number | null>((resolve, reject) => {
      // Also told when a signal could not be sent, as to a program that sudo has made root's.
      child.on('error', (cause) => {
        if (child.pid === undefined) reject(cause)
      })
      child.once('exit', resolve)
    })
    // Without a descriptor that is free there are no pipes either.
    if ((child.stdin as Writable | undefined) === undefined)
      await exited.catch((cause) => {
        throw missing(program, cause)
      })
    // A command that does not read to the end is no error; what is told of it is its exit code.
    child.stdin.on('error', () => {})
    const result = exited
      .catch((cause: NodeJS.ErrnoException) => {
        throw missing(program, cause)
      })
      .then((exitCode) => readResult(file, exitCode))
      .finally(remove)
    // The caller may look at it later than it fails.
    result.catch(() => {})
    return { child, result }
  } catch (error) {
    await remove()
    throw error
  }
}

/** @throws SandboxError SDK_EXECUTABLE_MISSING; OPTION_INVALID for words that the kernel does not take. */
function started(program: string, args: readonly string[]): Call['child'] {
  try {
    return spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  } catch (thrown) {
    const cause = thrown as NodeJS.ErrnoException
    const hasNul = args.join('').includes('\0')
    if (!hasNul && cause.code !== 'E2BIG') throw missing(program, cause)
    const problem = hasNul ? 'with a NUL' : 'that is so long'
    const remedy = 'Give it as input (`stdin`), or in a file (`files.write`).'
    throw new SandboxError('OPTION_INVALID', `the kernel takes no word of a command ${problem}. ${remedy}`, {
      remedy,
      cause,
    })
  }
}

/** A command of ours that failed and did not say why is no answer. */
export function unexplained(exitCode: number | null, cause?: unknown): SandboxError {
  return new SandboxError(
    'SDK_ANSWER_MISSING',
    `kata-ts ended with ${exitCode ?? 'a signal'} and did not say how`,
    {
      remedy: 'Check that kata-ts can be run here, and that it has the version of the SDK.',
      cause,
    },
  )
}

/** Runs a command whose output is data. @throws as {@link Call}; SDK_OUTPUT_TOO_LARGE for more bytes than `most`. */
export async function callToEnd(
  words: CommandWords,
  args: readonly string[],
  most = Number.POSITIVE_INFINITY,
): Promise<CallResult & { stdout: string; stderr: string }> {
  const { child, result } = await startCall(words, args)
  child.stdin.end()
  let length = 0
  const read = async (output: Readable) => {
    const gathered = new Gathered()
    // Leaving the loop closes the pipe, which ends the executable.
    for await (const chunk of output) {
      length += chunk.length
      if (length > most) return ''
      gathered.push(chunk)
    }
    return new TextDecoder().decode(gathered.bytes())
  }
  const reading = Promise.all([read(child.stdout), read(child.stderr)])
  // The result is looked at first.
  reading.catch(() => {})
  const tooLarge = () =>
    new SandboxError('SDK_OUTPUT_TOO_LARGE', `kata-ts ${args[0]} has more than ${most} bytes`)
  const told = await result.catch((error) => {
    throw length > most ? tooLarge() : error
  })
  if (told.exitCode !== 0 && length <= most) throw unexplained(told.exitCode)
  const [stdout, stderr] = await reading
  if (length > most) throw tooLarge()
  return { ...told, stdout, stderr }
}

async function readResult(file: string, exitCode: number | null): Promise<CallResult> {
  let cause: unknown
  const read = (): CommandResult | undefined => {
    try {
      return readResultFile(file)
    } catch (error) {
      if (!isExhausted(error)) throw unexplained(exitCode, error)
      cause = error
      return undefined
    }
  }
  const told = await poll(read, { timeoutMs: finishLimitMs, everyMs: finishEveryMs })
  if (told === undefined)
    throw new SandboxError('SDK_ANSWER_MISSING', 'the answer of kata-ts could not be read', {
      remedy: fewer,
      cause,
    })
  const [first] = told.errors
  if (first !== undefined) {
    const { code, message, remedy, fields } = first
    // A code that a newer executable has is told as it is.
    throw new SandboxError(code as SandboxErrorCode, remedy === '' ? message : `${message}. ${remedy}`, {
      remedy,
      fields,
    })
  }
  return { exitCode: told.exitCode, warnings: told.warnings }
}

function missing(program: string, cause: NodeJS.ErrnoException): SandboxError {
  return notStarted(
    `${program} cannot be started (${cause.code ?? cause.message})`,
    'Install kata-ts, or name it by the option `executable` or the variable KATA_TS.',
    cause,
  )
}

/** What a program has that runs too many commands at a time. */
const isExhausted = (error: unknown): boolean =>
  ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'].includes((error as NodeJS.ErrnoException).code ?? '')
const fewer = 'Run fewer commands at a time, or raise the limits of this program (`ulimit -n`, `ulimit -u`).'

function notStarted(message: string, usual: string, cause: NodeJS.ErrnoException): SandboxError {
  const remedy = isExhausted(cause) ? fewer : usual
  return new SandboxError('SDK_EXECUTABLE_MISSING', message, { remedy, cause })
}
