/** Serves a pool: one more machine whenever the host is idle and has the memory, none at all when memory runs short. */
import type { Logger } from '../../log.ts'
import { type Clock, realClock, within } from '../../time.ts'
import { Backoff } from './backoff.ts'
import type { HostLoad } from './host-load.ts'
import { PoolReport } from './pool-report.ts'
import type { PoolState } from './pool-server.ts'

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
  /** Whether the machines are still those that are wanted. Asked at each look. */
  isCurrent(): boolean
  /** Is told what the pool is at whenever that changes. */
  tell(state: PoolState): void
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
/** Percent: with so much of the processors' time unused a host is idle, whoever waits: he has used up his limit. */
const idleEnough = 50
/** Shares of the host's memory that stay free: of what a new machine leaves, and before all end. */
const [leastAfterFill, leastAtAll] = [0.1, 0.05]
/** Between two looks; after a pod has taken a machine, as another one may be about to come; and after a failure, milliseconds. */
export const pauses = { lookMs: 500, takenMs: 2000, failedMs: 5000, longestMs: 300_000 } as const

/** Far more than a start may take by any configuration: a shim that is not ready by then hangs, milliseconds. */
export const makeMs = 1_800_000
/** How long machines may take to end before the caller has to see to it, milliseconds. */
const endMs = 20_000

export interface Decision {
  readonly todo: 'fill' | 'rest' | 'empty'
  /** What of the host keeps the pool from being full; empty for one that is full or may be filled. */
  readonly reason: string
}

/** What is to be done for a pool that has `held` machines. Pure. */
export function decide(held: number, { number, machineMiB }: PoolBounds, load: HostLoad): Decision {
  const { cpu, idle = 0, memory, availableMiB, totalMiB } = load
  const percent = (share: number) => `${Math.round(share * 100)} %`
  if (memory.now >= shortMemory)
    return { todo: 'empty', reason: `tasks wait for memory ${shortMemory} % of the time or more` }
  if (availableMiB < totalMiB * leastAtAll)
    return { todo: 'empty', reason: `less than ${percent(leastAtAll)} of the memory is free` }
  if (held >= number) return { todo: 'rest', reason: '' }
  if (cpu >= busyCpu && idle < idleEnough)
    return { todo: 'rest', reason: `tasks wait for a processor ${busyCpu} % of the time or more` }
  if (memory.lately >= easedMemory)
    return { todo: 'rest', reason: 'tasks waited for memory within the last minute' }
  if (availableMiB - machineMiB < totalMiB * leastAfterFill)
    return {
      todo: 'rest',
      reason: `a machine of ${machineMiB} MiB would leave less than ${percent(leastAfterFill)} of the memory free`,
    }
  return { todo: 'fill', reason: '' }
}

/**
 * Until `signal` fires, or other machines are wanted ({@link PoolHost.isCurrent}). All that wait are asked to end then, and have 20 s for
 * it.
 */
export async function servePool(
  host: PoolHost,
  bounds: PoolBounds,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const { clock = realClock } = host
  const kept = new Set<PooledMachine>()
  const leaving = new Set<PooledMachine>()
  const asked = new WeakSet<PooledMachine>()
  const filling = new Backoff(clock, { firstMs: pauses.failedMs, longestMs: pauses.longestMs })
  const sweeping = new Backoff(clock, { firstMs: pauses.failedMs, longestMs: pauses.longestMs })
  const report = new PoolReport({ log, clock, tell: (state) => host.tell(state) })
  const end = (machine: PooledMachine) => {
    asked.add(machine)
    machine.end()
  }
  const failed = (error?: unknown) => {
    const pauseMs = filling.failed()
    const why = error === undefined ? {} : { error }
    const { failures } = filling
    log.warn('no machine came to wait', { failures, nextTryInSeconds: pauseMs / 1000, ...why })
  }
  const readyInTime = async (machine: PooledMachine) => {
    const over = new AbortController()
    const late = clock.sleep(makeMs, over.signal).then(() => false)
    late.catch(() => {})
    return Promise.race([machine.ready, late]).finally(() => over.abort())
  }
  const add = async () => {
    const machine = host.start()
    kept.add(machine)
    void machine.gone.then(() => {
      if (kept.delete(machine)) filling.pause(pauses.takenMs)
    })
    const stop = () => end(machine)
    signal.addEventListener('abort', stop, { once: true })
    const isReady = await readyInTime(machine)
    signal.removeEventListener('abort', stop)
    if (isReady) filling.worked()
    // One that was asked to end has not failed.
    else if (!asked.has(machine)) {
      failed()
      end(machine)
    }
  }
  const endAll = () => {
    for (const machine of kept) {
      end(machine)
      leaving.add(machine)
      void machine.gone.then(() => leaving.delete(machine))
    }
    kept.clear()
  }
  const sweep = oneAtATime(() =>
    host.sweep().then(
      () => sweeping.worked(),
      (error) => {
        const nextTryInSeconds = sweeping.failed() / 1000
        log.warn('what killed machines have left stays', { nextTryInSeconds, error })
      },
    ),
  )
  // A host that can start no process now is asked again later: those that wait end with this one.
  const fill = oneAtATime(() => add().catch(failed))
  const stateOf = ({ todo, reason }: Decision): PoolState => {
    if (reason !== '') return { doing: 'held back', reason }
    if (todo === 'rest' && !fill.isUnderWay()) return { doing: 'full', reason: '' }
    if (filling.failures === 0) return { doing: 'filling', reason: '' }
    return { doing: 'failing', reason: 'machines do not come to wait; the log of the server says why' }
  }
  // Nothing holds up the look at the memory: a machine is made slowest when that is short.
  while (!signal.aborted && host.isCurrent()) {
    if (sweeping.isDue) sweep.begin()
    const decision = decide(kept.size, bounds, host.load())
    if (decision.todo === 'empty' && kept.size > 0) {
      log.warn('memory runs short, and no machine waits any more', { ended: kept.size })
      endAll()
    }
    if (decision.todo === 'fill' && filling.isDue) fill.begin()
    report.note(stateOf(decision), { held: kept.size, number: bounds.number })
    await clock.sleep(pauses.lookMs, signal).catch(() => {})
  }
  endAll()
  await within(Promise.all([...leaving].map(({ gone }) => gone)), endMs)
}

interface OneAtATime {
  /** Begins the work, unless it is under way. */
  begin(): void
  isUnderWay(): boolean
}

function oneAtATime(work: () => Promise<void>): OneAtATime {
  let isUnderWay = false
  return {
    begin() {
      if (isUnderWay) return
      isUnderWay = true
      void work().finally(() => {
        isUnderWay = false
      })
    },
    isUnderWay: () => isUnderWay,
  }
}
