/** Serves a pool: one more machine whenever the host is idle and has the memory, none at all when memory runs short. */
import type { Logger } from '../../log.ts'
import { type Clock, realClock } from '../../time.ts'
import { Backoff } from './backoff.ts'
import type { HostLoad } from './host-load.ts'
import { type Decision, decide, type PoolBounds } from './pool-decision.ts'
import { type PooledMachine, PoolMachines, pauses } from './pool-machines.ts'
import { PoolReport } from './pool-report.ts'
import type { PoolState } from './pool-server.ts'

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

/** Between two looks at the host, milliseconds. */
export const lookMs = 500

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
  const machines = new PoolMachines({ start: () => host.start(), clock, log, signal })
  const report = new PoolReport({ log, clock, tell: (state) => host.tell(state) })
  const sweeping = new Backoff(clock, { firstMs: pauses.failedMs, longestMs: pauses.longestMs })
  const sweep = oneAtATime(() => sweepOnce(host, sweeping, log))
  const fill = oneAtATime(() => machines.add())
  // Nothing holds up the look at the memory: a machine is made slowest when that is short.
  while (!signal.aborted && host.isCurrent()) {
    if (sweeping.isDue) sweep.begin()
    const decision = decide(machines.held, bounds, host.load())
    if (decision.todo === 'empty' && machines.held > 0) {
      log.warn('memory runs short, and no machine waits any more', { ended: machines.held })
      machines.endAll()
    }
    if (decision.todo === 'fill' && machines.isDue) fill.begin()
    const state = stateOf(decision, { isFilling: fill.isUnderWay(), failures: machines.failures })
    report.note(state, { held: machines.held, number: bounds.number })
    await clock.sleep(lookMs, signal).catch(() => {})
  }
  machines.endAll()
  await machines.allGone()
}

async function sweepOnce(host: PoolHost, sweeping: Backoff, log: Logger): Promise<void> {
  try {
    await host.sweep()
    sweeping.worked()
  } catch (error) {
    log.warn('what killed machines have left stays', { nextTryInSeconds: sweeping.failed() / 1000, error })
  }
}

function stateOf(
  { todo, reason }: Decision,
  { isFilling, failures }: { readonly isFilling: boolean; readonly failures: number },
): PoolState {
  if (reason !== '') return { doing: 'held back', reason }
  if (todo === 'rest' && !isFilling) return { doing: 'full', reason: '' }
  if (failures === 0) return { doing: 'filling', reason: '' }
  return { doing: 'failing', reason: 'machines do not come to wait; the log of the server says why' }
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
