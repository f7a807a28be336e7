/**
 * The three streams between this process and a process in the guest, as FIFOs that the shim opens.
 *
 * A FIFO without a writer reads as ended, so we hold a writing end of our own until the shim has opened its end,
 * which is certain once Start has returned. Our end of stdin is opened for reading too, because a FIFO that nobody
 * reads yet cannot be opened for writing alone.
 */
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs'
import { makeFifo } from '../../linux/files/fifo.ts'
import { within } from '../../time.ts'
import { type ByteSink, openSink } from './output.ts'

/** The value for the shim: a path, or an empty string for none. */
export interface StreamUris {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
}

export interface AttachedStreams {
  readonly uris: StreamUris
  /** Settles when all output was delivered. */
  readonly drained: Promise<void>
  /** Settles with the first error of our own stdout or stderr; from then on output is read and thrown away. */
  readonly broken: Promise<unknown>
  /** Tells that Start has returned: from now on the shim's end decides when output ends, and stdin is copied. */
  started(): void
  /** Waits for the rest of the output after the process has ended; gives up when the shim's end stays open but silent. */
  finish(stallMs?: number): Promise<void>
  /** Removes the FIFOs. */
  close(): void
}

export interface AttachOptions {
  /** A directory of this process alone; it is created, and removed by `close`. */
  readonly directory: string
  readonly interactive: boolean
  /** A terminal has one output stream. */
  readonly terminal: boolean
  /** Our own descriptors: input and the two outputs. */
  readonly input: number
  readonly output: number
  readonly errors: number
}

export function attachStreams(options: AttachOptions): AttachedStreams {
  const { directory, interactive, terminal } = options
  mkdirSync(directory, { mode: 0o700 })
  const uri = (name: string, wanted: boolean) => {
    if (wanted) makeFifo(`${directory}/${name}`)
    return wanted ? `${directory}/${name}` : ''
  }
  const uris = {
    stdin: uri('stdin', interactive),
    stdout: uri('stdout', true),
    stderr: uri('stderr', !terminal),
  }
  const broken = Promise.withResolvers<unknown>()
  const outputs = [pumpOut(uris.stdout, openSink(options.output), broken.resolve)]
  if (!terminal) outputs.push(pumpOut(uris.stderr, openSink(options.errors), broken.resolve))
  const input = interactive ? openSync(uris.stdin, constants.O_RDWR | constants.O_NONBLOCK) : undefined
  const drained = Promise.all(outputs.map((output) => output.ended)).then(() => {})
  return {
    uris,
    drained,
    broken: broken.promise,
    started() {
      for (const output of outputs) output.release()
      if (input !== undefined) void pumpIn(options.input, input)
    },
    async finish(stallMs = 5000) {
      for (const output of outputs) output.release()
      let over = false
      void drained.then(() => {
        over = true
      })
      while (!over) {
        await within(drained, 100)
        if (outputs.every((output) => output.silentFor() > stallMs)) return
      }
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  }
}

interface OutputPump {
  readonly ended: Promise<void>
  /** Lets go of our own writing end. */
  release(): void
  /** Milliseconds for which the FIFO has been waited on; 0 while a chunk is being delivered. */
  silentFor(): number
}

function pumpOut(path: string, sink: ByteSink, onBroken: (error: unknown) => void): OutputPump {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  let ownEnd: number | undefined = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  let waitingSince: number | undefined = Date.now()
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
  const run = async () => {
    for await (const chunk of Bun.file(fd).stream()) {
      waitingSince = undefined
      await deliver(chunk)
      waitingSince = Date.now()
    }
    // Bun does not close a descriptor that it was handed.
    closeSync(fd)
    waitingSince = 0
  }
  return {
    ended: run(),
    release() {
      if (ownEnd !== undefined) closeSync(ownEnd)
      ownEnd = undefined
    },
    silentFor: () => (waitingSince === undefined ? 0 : Date.now() - waitingSince),
  }
}

/**
 * Copies our stdin into the FIFO and then closes it: the shim sees its end behind the last byte. CloseIO is not
 * called, because it could overtake bytes that still lie in the pipe.
 */
async function pumpIn(from: number, to: number): Promise<void> {
  const writer = Bun.file(to).writer()
  try {
    for await (const chunk of Bun.file(from).stream()) {
      await writer.write(chunk)
      await writer.flush()
    }
  } catch {
    // Our stdin failed, or the process ended without reading: either way there is no more to send.
  }
  // The writer has a duplicate of the descriptor, and its reader sees the end only when both are closed.
  await Promise.resolve(writer.end()).catch(() => {})
  closeSync(to)
}
