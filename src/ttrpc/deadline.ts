/** Timers wait at most 2^31 - 1 ms (24 days); a longer limit is none. */
const longestMs = 0x7fffffff

/** Calls `expired` after `ms`; undefined when there is no limit to keep. */
export function definedTimeout(ms: number | undefined, expired: () => void): { cancel(): void } | undefined {
  if (ms === undefined || ms > longestMs) return undefined
  const timer = setTimeout(expired, ms)
  return { cancel: () => clearTimeout(timer) }
}
