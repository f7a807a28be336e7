/**
 * The streams of a container that runs, for a caller who attaches to it: what it prints is read in its log, from now on, and what the
 * caller types goes into the FIFO that its shim reads.
 */
import { constants, openSync } from 'node:fs'
import { sleep } from '../../../time.ts'
import { DetachKeys } from '../../parse/detach-keys.ts'
import { openSink } from '../output.ts'
import { type AttachedStreams, pumpIn } from '../streams.ts'
import { LogPrinter } from './printer.ts'
import { LogReader } from './reader.ts'

/** How often the log is looked at, milliseconds: what a person types comes back within that. */
const pollMs = 10

export interface LogStreamsOptions {
  readonly log: string
  /** The FIFO and our own descriptor; none: no input. */
  readonly input?:
    | {
        readonly fifo: string
        readonly from: number
        /** Called once all of it was written and no more comes; not when the caller has left. */
        readonly onEnd?: (() => void) | undefined
      }
    | undefined
  readonly detachKeys: Uint8Array
}

export function logStreams({ log, input, detachKeys }: LogStreamsOptions): AttachedStreams {
  const over = new AbortController()
  const broken = Promise.withResolvers<unknown>()
  const detached = Promise.withResolvers<void>()
  const reader = new LogReader(log)
  const printer = new LogPrinter({
    sinks: { stdout: openSink(1), stderr: openSink(2) },
    timestamps: false,
  })
  // Before the caller is told that it is attached: it sees all that comes from then on.
  for (const _ of reader.read());
  // Shown later: a signal of somebody who has seen output is meant for the container, and is passed on from the start on.
  const begun = Promise.withResolvers<void>()
  const copy = async () => {
    await begun.promise
    while (!over.signal.aborted) {
      await printer.print(reader.read())
      await sleep(pollMs, over.signal).catch(() => {})
    }
    await printer.print(reader.read())
  }
  const drained = copy().catch(broken.resolve)
  const end = async () => {
    over.abort()
    begun.resolve()
    await drained
  }
  return {
    uris: { stdin: '', stdout: '', stderr: '' },
    drained,
    broken: broken.promise,
    detached: detached.promise,
    started() {
      begun.resolve()
      if (input === undefined) return
      const fifo = openUnlessEnded(input.fifo)
      if (fifo === undefined) return
      let isLeft = false
      const leaves = () => {
        isLeft = true
        detached.resolve()
      }
      void pumpIn(input.from, fifo, { keys: new DetachKeys(detachKeys), leaves }).then(() => {
        if (!isLeft) input.onEnd?.()
      })
    },
    finish: end,
    leave: end,
    close: () => reader.close(),
  }
}

/** Undefined where the container's input has ended: its shim reads no more, or there never was any. */
function openUnlessEnded(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENXIO', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
