/**
 * The streams of a container in the background, for a caller who attaches to it: what it prints is read in its log, from now on,
 * and what the caller types goes into the FIFO that its shim holds open.
 */
import { constants, openSync } from 'node:fs'
import { sleep } from '../../time.ts'
import { DetachKeys } from '../parse/detach-keys.ts'
import { LogTail } from './log-tail.ts'
import { openSink } from './output.ts'
import { type AttachedStreams, pumpIn } from './streams.ts'

/** How often the log is looked at, milliseconds: what a person types comes back within that. */
const pollMs = 10

export interface LogStreamsOptions {
  /** Logs with our own descriptors that they go to. */
  readonly logs: readonly { readonly path: string; readonly output: number }[]
  /** The FIFO and our own descriptor; none: no input. */
  readonly input?: { readonly fifo: string; readonly from: number } | undefined
  readonly detachKeys: Uint8Array
}

export function logStreams({ logs, input, detachKeys }: LogStreamsOptions): AttachedStreams {
  const over = new AbortController()
  const broken = Promise.withResolvers<unknown>()
  const detached = Promise.withResolvers<void>()
  const tails = logs.map(({ path, output }) => new LogTail(path, openSink(output)))
  const copyAll = async () => {
    for (const tail of tails) await tail.copy()
  }
  // Before the caller is told that it is attached: it sees all that comes from then on.
  const copied = Promise.all(tails.map((tail) => tail.skip())).then(async () => {
    while (!over.signal.aborted) {
      await copyAll()
      await sleep(pollMs, over.signal).catch(() => {})
    }
    await copyAll()
  })
  copied.catch(broken.resolve)
  const end = async () => {
    over.abort()
    await copied.catch(() => {})
  }
  return {
    uris: { stdin: '', stdout: '', stderr: '' },
    drained: copied.catch(() => {}),
    broken: broken.promise,
    detached: detached.promise,
    started() {
      if (input === undefined) return
      const fifo = openSync(input.fifo, constants.O_WRONLY | constants.O_NONBLOCK)
      void pumpIn(input.from, fifo, { keys: new DetachKeys(detachKeys), leaves: detached.resolve })
    },
    finish: end,
    leave: end,
    close() {
      for (const tail of tails) tail.close()
    },
  }
}
