/** Runs a command from its start to its end, and collects its output. */
import { SandboxError } from './error.ts'
import { Gathered } from './gathered.ts'
import { chunksOf, type InputData, untilOver } from './input.ts'
import type { ProcessOptions, SandboxProcess } from './process.ts'

export interface ExecOptions extends ProcessOptions {
  /** The command's input; default none. */
  readonly stdin?: InputData
  /** Most bytes of both outputs together; default 64 MiB. More kills the command with SDK_OUTPUT_TOO_LARGE. */
  readonly maxOutputBytes?: number
}

export interface ExecResult {
  /** The command's own; 128 + n after signal n. */
  readonly exitCode: number
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** `stdout` as UTF-8, decoded when it is read. */
  readonly text: string
  /** `stderr` as UTF-8, decoded when it is read. */
  readonly errorText: string
}

export const defaultOutputBytes = 64 * 1024 * 1024

/** @throws SandboxError as the process does, with the output so far; SDK_OUTPUT_TOO_LARGE; what `stdin` throws. */
export async function collect(process: SandboxProcess, options: ExecOptions): Promise<ExecResult> {
  const { stdin, maxOutputBytes = defaultOutputBytes } = options
  const output = { stdout: new Gathered(), stderr: new Gathered() }
  let length = 0
  let isTooLarge = false
  const read = async (name: 'stdout' | 'stderr') => {
    for await (const chunk of process[name]) {
      const room = maxOutputBytes - length
      length += chunk.length
      if (chunk.length > room) {
        if (room > 0) output[name].push(chunk.subarray(0, room))
        isTooLarge = true
        // Not waited for: the command ends once leaving the loop has closed the pipe.
        end(process)
        return
      }
      output[name].push(chunk)
    }
  }
  let inputError: { readonly error: unknown } | undefined
  // Not waited for: a command may end before its input does.
  feed(process, stdin).catch((error: unknown) => {
    inputError = { error }
    end(process)
  })
  const reading = Promise.all([read('stdout'), read('stderr')]).catch(() => {})
  const bytes = (name: 'stdout' | 'stderr') => output[name].bytes()
  try {
    const exitCode = await process.exitCode
    await reading
    if (isTooLarge) throw tooLarge(maxOutputBytes)
    if (inputError !== undefined) throw inputError.error
    const [stdout, stderr] = [bytes('stdout'), bytes('stderr')]
    const [text, errorText] = [decoded(stdout), decoded(stderr)]
    return {
      ...{ exitCode, stdout, stderr },
      get text() {
        return text()
      },
      get errorText() {
        return errorText()
      },
    }
  } catch (thrown) {
    await reading
    const error = isTooLarge ? tooLarge(maxOutputBytes) : thrown
    if (!(error instanceof SandboxError)) throw error
    const { code, message, remedy, fields } = error
    const details = { remedy, fields, stdout: bytes('stdout'), stderr: bytes('stderr'), cause: error.cause }
    throw new SandboxError(code, message, details)
  }
}

/** Decodes once it is asked for: engines have a longest text, which bytes may go beyond. */
function decoded(bytes: Uint8Array): () => string {
  let text: string | undefined
  return () => {
    text ??= new TextDecoder().decode(bytes)
    return text
  }
}

/** The end's own error matters less than the reason for the end. */
function end(process: SandboxProcess): void {
  Promise.resolve(process[Symbol.asyncDispose]()).catch(() => {})
}

const tooLarge = (limit: number): SandboxError =>
  new SandboxError('SDK_OUTPUT_TOO_LARGE', `the command wrote more than ${limit} bytes and was killed`)

/** A command may end without reading everything. @throws what the input itself throws. */
async function feed({ stdin: input, exitCode }: SandboxProcess, stdin: InputData | undefined): Promise<void> {
  const writer = input.getWriter()
  // The end of the command closes the pipe under us.
  writer.closed.catch(() => {})
  let isOpen = true
  if (stdin !== undefined)
    for await (const chunk of untilOver(chunksOf(stdin), exitCode)) {
      isOpen = await writer.write(chunk).then(
        () => true,
        (error: unknown) => {
          // A chunk that is neither text nor bytes: the command would wait for its end.
          if (error instanceof TypeError) throw error
          return false
        },
      )
      if (!isOpen) return
    }
  await writer.close().catch(() => {})
}
