/** The short-lived actions of a shim's program, as containerd calls them (containerd runtime/v2 README). */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { needed, record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { exactly, number, text as textValue } from '../json/values.ts'
import { DeleteResponse } from '../protocol/generated/containerd/task.ts'
import { Any } from '../protocol/generated/google/protobuf/any.ts'

export interface ShimAction {
  /** The shim's program: `/usr/local/bin/containerd-shim-kata-ts-v2`. */
  readonly program: string
  /** Flags before those of the action. */
  readonly flags?: readonly string[]
  readonly namespace: string
  readonly id: string
  /** The directory with `config.json`, in which the program is run. */
  readonly bundle: string
  /** The shim's environment; default this process's. `TTRPC_ADDRESS` says where it publishes events. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The runtime's options, for instance the path of its configuration. */
  readonly options?: Any
  /** Kills the action when it fires. It never kills the shim that was started. */
  readonly signal?: AbortSignal
}

export interface ShimAddress {
  /** `unix:///run/...`, for connectTask. */
  readonly address: string
  /** The version of the Task service: 2 or 3. */
  readonly version: number
}

/** An action that failed, with what the program said. */
export class ShimError extends Error {
  readonly action: string
  /** Null when a signal ended the program. */
  readonly exitCode: number | null
  /** The end of what it wrote to standard error. */
  readonly stderr: string

  constructor(action: string, exitCode: number | null, stderr: string, options?: ErrorOptions) {
    super(`${action} of the shim failed with ${exitCode ?? 'a signal'}: ${stderr.trim()}`, options)
    this.name = 'ShimError'
    this.action = action
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

/** Bytes that an action may say on either output. */
const mostOutput = 64 * 1024

/** Starts the shim of a bundle, which outlives this process. @throws ShimError; the signal's reason. */
export async function startShim(action: ShimAction): Promise<ShimAddress> {
  const { stdout, stderr, exitCode } = await act('start', action)
  const text = new TextDecoder().decode(stdout).trim()
  const found = addressIn(text)
  if (exitCode !== 0 || found === undefined) throw new ShimError('start', exitCode, stderr || text)
  return found
}

/** Releases what a container holds whose shim is gone, and says how it ended. @throws ShimError; the signal's reason. */
export async function deleteShim(action: ShimAction): Promise<DeleteResponse> {
  const { stdout, stderr, exitCode } = await act('delete', action)
  if (exitCode !== 0) throw new ShimError('delete', exitCode, stderr)
  try {
    return DeleteResponse.decode(stdout)
  } catch (cause) {
    throw new ShimError('delete', exitCode, 'its answer is no DeleteResponse', { cause })
  }
}

const startAnswer = record<ShimAddress & { readonly protocol: 'ttrpc' }>({
  address: needed(textValue),
  version: needed(number),
  protocol: needed(exactly('ttrpc')),
})

/** The bare address, or containerd 2's JSON. */
function addressIn(text: string): ShimAddress | undefined {
  if (text.startsWith('unix://')) return { address: text, version: 2 }
  try {
    const { address, version } = readText(startAnswer, text)
    return address.startsWith('unix://') ? { address, version } : undefined
  } catch {
    return undefined
  }
}

interface Outcome {
  readonly stdout: Uint8Array
  readonly stderr: string
  readonly exitCode: number | null
}

async function act(name: 'start' | 'delete', action: ShimAction): Promise<Outcome> {
  const { program, flags = [], namespace, id, bundle, env = process.env, options, signal } = action
  signal?.throwIfAborted()
  const { child, exited } = started(name, () =>
    spawn(program, [...flags, '-namespace', namespace, '-id', id, '-bundle', bundle, name], {
      // `delete` works without the bundle.
      cwd: existsSync(bundle) ? bundle : '/',
      env: { ...env },
      stdio: 'pipe',
      // Ctrl-C at the terminal must not end a half-done action.
      detached: true,
    }),
  )
  // Without a descriptor that is free there are no pipes either.
  if ((child.stdin as Writable | undefined) === undefined) await exited
  const kill = () => {
    child.kill('SIGKILL')
    // What it has started may have them open, too.
    child.stdout.destroy()
    child.stderr.destroy()
  }
  signal?.addEventListener('abort', kill, { once: true })
  try {
    // A program that does not read its input is none the worse for it.
    child.stdin.on('error', () => {})
    child.stdin.end(options === undefined ? undefined : Any.encode(options).finish())
    const [stdout, stderr, exitCode] = await Promise.all([
      bytesOf(child.stdout),
      bytesOf(child.stderr),
      exited,
    ])
    signal?.throwIfAborted()
    return { stdout, stderr: new TextDecoder().decode(stderr), exitCode }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

interface Started {
  readonly child: ChildProcessWithoutNullStreams
  readonly exited: Promise<number | null>
}

/** `spawn` throws some errors and tells others. @throws ShimError. */
function started(name: string, begin: () => ChildProcessWithoutNullStreams): Started {
  const failed = (cause: Error) => new ShimError(name, null, cause.message, { cause })
  let child: ChildProcessWithoutNullStreams
  try {
    child = begin()
  } catch (cause) {
    throw failed(cause as Error)
  }
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => reject(failed(cause)))
    child.once('close', resolve)
  })
  // Waited for behind the outputs.
  exited.catch(() => {})
  return { child, exited }
}

/** The first bytes of a stream, which is read to its end. */
async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    if (length < mostOutput) chunks.push(chunk)
    length += chunk.length
  }
  return new Uint8Array(Buffer.concat(chunks).subarray(0, mostOutput))
}
