/**
 * The one module of waiting. Every wait of the host's code comes from here, so that each has an end and can be cut short;
 * `time.test.ts` keeps other timers out. The guest has its own, as its engine has other timers.
 */

/** What time is made of, so that a test can bring its own. */
export interface Clock {
  /** Milliseconds since some moment; never turned back. */
  now(): number
  /** Resolves after `ms` milliseconds. @throws the signal's reason when it fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const realClock: Clock = { now: () => performance.now(), sleep }

/** The longest time that a timer takes; one that is given more fires at once. Milliseconds, nearly 25 days. */
export const longestTimerMs = 2 ** 31 - 1

/** Resolves after `ms` milliseconds. @throws the signal's reason when it fires first. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let rest = ms
  for (; rest > longestTimerMs; rest -= longestTimerMs) await timer(longestTimerMs, signal)
  await timer(rest, signal)
}

function timer(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(pending)
      reject(signal?.reason)
    }
    const pending = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * A function for a loop of short steps that wait for nothing, or for what is there already: at every `every`th call timers and signals have their
 * turn.
 *
 * @throws the signal's reason, from each call once it has fired.
 */
export function breather(every: number, signal?: AbortSignal): () => Promise<void> {
  let steps = 0
  return async () => {
    signal?.throwIfAborted()
    if (++steps % every === 0) await sleep(0, signal)
  }
}

/** The result of `work`, or undefined when it takes longer than `ms` milliseconds. @throws what `work` throws. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([work, sleep(ms, over.signal).then(() => undefined)])
  } finally {
    over.abort()
  }
}

export interface AbortWait extends Disposable {
  readonly aborted: Promise<void>
}

/**
 * Waits for an abort until it is disposed of. A long-lived promise in place of the signal would keep every promise that raced it,
 * with all that these refer to, until it settles.
 */
export function untilAborted(signal: AbortSignal): AbortWait {
  // Node.js 20, for which the npm packages are compiled, has no Promise.withResolvers.
  let tell = () => {}
  const aborted = new Promise<void>((resolve) => {
    tell = resolve
  })
  if (signal.aborted) tell()
  else signal.addEventListener('abort', tell, { once: true })
  return { aborted, [Symbol.dispose]: () => signal.removeEventListener('abort', tell) }
}

/**
 * A signal that fires after `ms` milliseconds, or with `signal`. One of more than {@link longestTimerMs} fires after that, and one that is over
 * already at once.
 */
export function deadline(ms: number, signal?: AbortSignal): AbortSignal {
  const late = AbortSignal.timeout(Math.ceil(Math.min(Math.max(ms, 0), longestTimerMs)))
  return signal === undefined ? late : AbortSignal.any([late, signal])
}

export interface Polling {
  /** How long to look in all, milliseconds. */
  readonly timeoutMs: number
  /** The first pause between two looks, milliseconds; default 1. Each is twice the one before it, up to `longestMs`. */
  readonly everyMs?: number
  /** Default `everyMs`: all pauses are the same. */
  readonly longestMs?: number
  /** Ends the polling. */
  readonly signal?: AbortSignal | undefined
  /** Default real time. */
  readonly clock?: Clock
}

/**
 * Looks until `look` finds something, and resolves with that; undefined once the time is over.
 *
 * @throws what `look` throws, and the signal's reason.
 */
export async function poll<T>(
  look: () => T | undefined | Promise<T | undefined>,
  { timeoutMs, everyMs = 1, longestMs = everyMs, signal, clock = realClock }: Polling,
): Promise<T | undefined> {
  const end = clock.now() + timeoutMs
  for (let pause = everyMs; ; pause = Math.min(pause * 2, longestMs)) {
    signal?.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    if (clock.now() > end) return undefined
    await clock.sleep(pause, signal)
  }
}

/** Looks until `holds` is true, which tells; false once the time is over. @throws as {@link poll}. */
export async function until(holds: () => boolean | Promise<boolean>, polling: Polling): Promise<boolean> {
  return (await poll(async () => ((await holds()) ? true : undefined), polling)) ?? false
}

/** Tries until it works, every `everyMs` milliseconds. @throws what the last try said, when `signal` fires. */
export async function retry<T>(attempt: () => Promise<T>, everyMs: number, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (signal.aborted) throw error
      await sleep(everyMs, signal).catch(() => {
        throw error
      })
    }
  }
}

/** A function that runs one piece of work after the other, in the order of the calls; one that fails holds up none. */
export function serially(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
}
