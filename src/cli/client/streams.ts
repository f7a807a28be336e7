/**
 * The three streams between this process and a process in the guest, as FIFOs that the shim opens.
 *
 * A FIFO without a writer reads as ended, so we hold a writing end of our own until the shim has opened its end,
 * which is certain once Start has returned. Our end of stdin is opened for reading too, because a FIFO that nobody
 * reads yet cannot be opened for writing alone.
 */
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs'
import { makeFifo } from '../../linux/files/fifo.ts'
import { heldInput } from '../../sandbox/records/held-input.ts'
import { realClock, within } from '../../time.ts'
import { DetachKeys } from '../parse/detach-keys.ts'
import { type ByteSink, openSink } from './output.ts'

/** Values for the shim: a path, or an empty string for no stream. */
export interface StreamUris {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
}

type Input = number | ReadableStream<Uint8Array>

export interface AttachedStreams {
  readonly uris: StreamUris
  /** Settles when all output was delivered. */
  readonly drained: Promise<void>
  /** Settles when the user has typed the detach keys. From then on nothing is copied, and `leave` must be called instead of `finish`. */
  readonly detached: Promise<void>
  /** Settles with the first error of our own stdout or stderr. From then on output is read and dropped. */
  readonly broken: Promise<unknown>
  /** Says that Start has returned. From now on the shim's end decides when output ends, and stdin is copied. */
  started(): void
  /** Waits for the rest of the output after the process has ended. Gives up if the shim's end stays open and silent. */
  finish(stallMs?: number): Promise<void>
  /** Detaches from the process, which continues. Another reader may then read its output. */
  leave(): Promise<void>
  /** Closes what is still open. Removes the FIFOs, unless the process continues and others may write to them. */
  close(): void
}

export interface AttachOptions {
  /** A directory for this process alone. It is created, and removed once the shim has opened the FIFOs. */
  readonly directory: string
  /**
   * Whether other clients may attach and write to the process's input, even after the caller has detached. Then the FIFOs stay until `close`.
   * Default false.
   */
  readonly isShared?: boolean
  readonly interactive: boolean
  /** A terminal has one output stream. */
  readonly terminal: boolean
  /** Keys that detach. Absent: detaching is not possible. */
  readonly detachKeys?: Uint8Array
  /** Our own descriptors, or replacements for them. */
  readonly input: Input
  readonly output: number | ByteSink
  readonly errors: number | ByteSink
}

/** @throws errors of open(2), mkdir(2) and mkfifo(3). Then nothing is left behind. */
export function attachStreams(options: AttachOptions): AttachedStreams {
  const { directory } = options
  mkdirSync(directory, { mode: 0o700 })
  const outputs: OutputPump[] = []
  try {
    return attachIn(options, outputs)
  } catch (error) {
    for (const output of outputs) void output.stop().catch(() => {})
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
}

/** Adds each output to `outputs` when it is opened. */
function attachIn(options: AttachOptions, outputs: OutputPump[]): AttachedStreams {
  const { directory, interactive, terminal, isShared = false } = options
  const uri = (name: string, wanted: boolean) => {
    if (wanted) makeFifo(`${directory}/${name}`)
    return wanted ? `${directory}/${name}` : ''
  }
  const uris = {
    // Input of a terminal is held open, because a detached terminal is not a closed one.
    stdin: interactive && terminal ? heldInput(uri('stdin', true)) : uri('stdin', interactive),
    stdout: uri('stdout', true),
    stderr: uri('stderr', !terminal),
  }
  const broken = Promise.withResolvers<unknown>()
  outputs.push(pumpOut(uris.stdout, sinkOf(options.output), broken.resolve))
  if (!terminal) outputs.push(pumpOut(uris.stderr, sinkOf(options.errors), broken.resolve))
  const detached = Promise.withResolvers<void>()
  const keys = new DetachKeys(options.detachKeys ?? new Uint8Array())
  let input = interactive
    ? openSync(`${directory}/stdin`, constants.O_RDWR | constants.O_NONBLOCK)
    : undefined
  const remove = () => rmSync(directory, { recursive: true, force: true })
  const drained = Promise.all(outputs.map((output) => output.ended)).then(() => {})
  let isLeft = false
  return {
    uris,
    drained,
    detached: detached.promise,
    broken: broken.promise,
    started() {
      for (const output of outputs) output.release()
      if (!isShared) remove()
      if (input !== undefined) void pumpIn(options.input, input, { keys, leaves: detached.resolve })
      input = undefined
    },
    finish(stallMs = 5000) {
      for (const output of outputs) output.release()
      return untilDrainedOrStalled(drained, outputs, stallMs)
    },
    async leave() {
      isLeft = true
      await Promise.all(outputs.map((output) => output.stop()))
    },
    close() {
      for (const output of outputs) void output.stop().catch(() => {})
      if (input !== undefined) closeSync(input)
      input = undefined
      if (!(isLeft && isShared)) remove()
    },
  }
}

async function untilDrainedOrStalled(
  drained: Promise<void>,
  outputs: readonly OutputPump[],
  stallMs: number,
): Promise<void> {
  let over = false
  void drained.then(() => {
    over = true
  })
  while (!over) {
    await within(drained, 100)
    if (outputs.every((output) => output.silentFor() > stallMs)) return
  }
}

const sinkOf = (output: number | ByteSink): ByteSink =>
  typeof output === 'number' ? openSink(output) : output

interface OutputPump {
  readonly ended: Promise<void>
  /** Closes our own writing end. */
  release(): void
  /** Stops reading. */
  stop(): Promise<void>
  /** Milliseconds since the last chunk was delivered; 0 during a delivery. */
  silentFor(): number
}

/** @throws errors of open(2); then `reader` is closed, too. */
function openOwnEnd(path: string, reader: number): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    closeSync(reader)
    throw error
  }
}

function pumpOut(path: string, sink: ByteSink, onBroken: (error: unknown) => void): OutputPump {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  let ownEnd: number | undefined = openOwnEnd(path, fd)
  let waitingSince: number | undefined = realClock.now()
  let broken = false
  const deliver = async (chunk: Uint8Array) => {
    if (broken) return
    try {
      await sink.write(chunk)
    } catch (error) {
      broken = true
      onBroken(error)
    }
  }
  const reader = Bun.file(fd).stream().getReader()
  const run = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      waitingSince = undefined
      await deliver(next.value)
      waitingSince = realClock.now()
    }
    // Bun does not close a descriptor that it was handed.
    closeSync(fd)
    waitingSince = Number.NEGATIVE_INFINITY
  }
  const ended = run()
  const release = () => {
    if (ownEnd !== undefined) closeSync(ownEnd)
    ownEnd = undefined
  }
  return {
    ended,
    release,
    async stop() {
      release()
      await reader.cancel()
      await ended
    },
    silentFor: () => (waitingSince === undefined ? 0 : realClock.now() - waitingSince),
  }
}

/**
 * Copies our stdin into the FIFO and then closes it, so the shim sees the end after the last byte. CloseIO is not used, because it could
 * overtake bytes in the pipe.
 */
export async function pumpIn(
  from: Input,
  to: number,
  { keys, leaves }: { keys: DetachKeys; leaves: () => void },
): Promise<void> {
  const writer = Bun.file(to).writer()
  try {
    for await (const chunk of typeof from === 'number' ? Bun.file(from).stream() : from) {
      const typed = keys.feed(chunk)
      await writer.write(typed.bytes)
      await writer.flush()
      if (typed.leaves) {
        leaves()
        break
      }
    }
  } catch {
    // Our stdin failed, or the process ended without reading. Either way there is nothing more to send.
  }
  // The writer has a duplicate of the descriptor, and the reader sees the end only when both are closed.
  await Promise.resolve(writer.end()).catch(() => {})
  closeSync(to)
}
