/** Serves a pool: one more machine whenever the host is idle and has the memory, none at all when memory runs short. */
import type { Logger } from '../../log.ts'
import { type Clock, realClock, within } from '../../time.ts'
import type { HostLoad } from './host-load.ts'

/** A machine that was asked for, until a pod has taken it or it has ended. */
export interface PooledMachine {
  /** Settles with whether it came to wait, at the latest when it is gone. */
  readonly ready: Promise<boolean>
  /** Settles when it is the pool’s no more. */
  readonly gone: Promise<void>
  /** Asks it to end. */
  end(): void
}

export interface PoolHost {
  /** Starts a machine that is to wait. @throws errors of the system. */
  start(): PooledMachine
  load(): HostLoad
  /** Releases what killed ones have left. */
  sweep(): Promise<void>
  readonly clock?: Clock
}

export interface PoolBounds {
  /** Most machines that wait, those that are being made included. */
  readonly number: number
  /** What one of them may come to take, MiB. */
  readonly machineMiB: number
}

/** Percent: the host is idle below the first, short of memory from the second on, and so again only below the third. */
const [busyCpu, shortMemory, easedMemory] = [25, 10, 1]
/** Shares of the host's memory that stay free: of what a new machine leaves, and before all end. */
const [leastAfterFill, leastAtAll] = [0.1, 0.05]
/** Between two looks; after a pod has taken a machine, as another one may be about to come; and after a failure, milliseconds. */
export const pauses = { lookMs: 500, takenMs: 2000, failedMs: 5000, longestMs: 300_000 } as const

/** How long machines may take to end before the caller has to see to it, milliseconds. */
const endMs = 20_000

/** What is to be done for a pool that has `held` machines. Pure. */
export function decide(held: number, { number, machineMiB }: PoolBounds, load: HostLoad) {
  const { memory, availableMiB, totalMiB } = load
  if (memory.now >= shortMemory || availableMiB < totalMiB * leastAtAll) return 'empty'
  const hasRoom = availableMiB - machineMiB >= totalMiB * leastAfterFill && memory.lately < easedMemory
  return held < number && hasRoom && load.cpu < busyCpu ? 'fill' : 'rest'
}

/** Until `signal` fires. All that wait are asked to end then, and have 20 s for it. */
export async function servePool(
  host: PoolHost,
  bounds: PoolBounds,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const { clock = realClock } = host
  const kept = new Set<PooledMachine>()
  const leaving = new Set<PooledMachine>()
  let notBefore = 0
  let failures = 0
  const failed = (error?: unknown) => {
    failures++
    const waitMs = Math.min(pauses.failedMs * 2 ** (failures - 1), pauses.longestMs)
    notBefore = clock.now() + waitMs
    const why = error === undefined ? {} : { error }
    log.warn('no machine came to wait', { failures, nextTryInSeconds: waitMs / 1000, ...why })
  }
  const add = async () => {
    const machine = host.start()
    kept.add(machine)
    void machine.gone.then(() => {
      if (kept.delete(machine)) notBefore = Math.max(notBefore, clock.now() + pauses.takenMs)
    })
    const stop = () => machine.end()
    signal.addEventListener('abort', stop, { once: true })
    const isReady = await machine.ready
    signal.removeEventListener('abort', stop)
    if (isReady) failures = 0
    else if (!signal.aborted) failed()
  }
  const endAll = () => {
    for (const machine of kept) {
      machine.end()
      leaving.add(machine)
      void machine.gone.then(() => leaving.delete(machine))
    }
    kept.clear()
  }
  const sweep = oneAtATime(() =>
    host.sweep().catch((error) => log.warn('what killed machines have left stays', { error })),
  )
  // A host that can start no process now is asked again later: those that wait end with this one.
  const fill = oneAtATime(() => add().catch(failed))
  // Nothing holds up the look at the memory: a machine is made slowest when that is short.
  while (!signal.aborted) {
    sweep()
    const todo = decide(kept.size, bounds, host.load())
    if (todo === 'empty' && kept.size > 0) {
      log.warn('memory runs short, and no machine waits any more', { ended: kept.size })
      endAll()
    }
    if (todo === 'fill' && clock.now() >= notBefore) fill()
    await clock.sleep(pauses.lookMs, signal).catch(() => {})
  }
  endAll()
  await within(Promise.all([...leaving].map(({ gone }) => gone)), endMs)
}

/** Begins the work, unless it is under way. */
function oneAtATime(work: () => Promise<void>): () => void {
  let isUnderWay = false
  return () => {
    if (isUnderWay) return
    isUnderWay = true
    void work().finally(() => {
      isUnderWay = false
    })
  }
}
