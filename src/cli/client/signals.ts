/** Catches signals to this process that are meant for the container. */
import { constants } from 'node:os'

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** `repeated` says that the user asked to end it before: a second Ctrl-C kills. */
export type SignalHandler = (signal: NodeJS.Signals, repeated: boolean) => void

export interface SignalCatcher {
  /** Replaces the handler. */
  handle(handler: SignalHandler): void
  /** Rejects with {@link Interrupted} at the first signal that comes while no handler is set. */
  readonly interrupted: Promise<never>
  /** Restores the signals' default actions. */
  release(): void
}

/** The user interrupted the command before the container ran. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
    this.name = 'Interrupted'
    this.exitCode = 128 + constants.signals[signal]
  }
}

/** Makes the next signal abort only the returned AbortSignal. */
export function abortOnSignal(signals: SignalCatcher): AbortSignal {
  const abort = new AbortController()
  signals.handle((signal) => abort.abort(new Interrupted(signal)))
  return abort.signal
}

export function catchSignals(): SignalCatcher {
  const { promise: interrupted, reject } = Promise.withResolvers<never>()
  interrupted.catch(() => {})
  let handler: SignalHandler = (signal) => reject(new Interrupted(signal))
  let askedToEnd = false
  const listen = (signal: NodeJS.Signals) => {
    const ends = signal === 'SIGINT' || signal === 'SIGTERM'
    handler(signal, ends && askedToEnd)
    askedToEnd ||= ends
  }
  for (const signal of forwarded) process.on(signal, listen)
  return {
    interrupted,
    handle(next) {
      handler = next
    },
    release() {
      for (const signal of forwarded) process.off(signal, listen)
    },
  }
}

/** An AbortSignal that fires with the first signal that comes while no handler is set. Its reason is {@link Interrupted}. */
export function abortOnInterruption({ interrupted }: Pick<SignalCatcher, 'interrupted'>): AbortSignal {
  const abort = new AbortController()
  interrupted.catch((reason) => abort.abort(reason))
  return abort.signal
}

/** Runs `work`, which the first signal aborts. @throws Interrupted when an aborted `work` has failed. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const signals = catchSignals()
  const signal = abortOnInterruption(signals)
  try {
    return await work(signal)
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signals.release()
  }
}
