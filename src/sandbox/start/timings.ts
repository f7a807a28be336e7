/** How long each step of a start took: for `kata-ts inspect`, the demo and the benchmark. */

export interface Timing {
  readonly step: string
  /** Milliseconds from the start of the recording to the start of the step. */
  readonly at: number
  /** Milliseconds the step took; steps may overlap. */
  readonly ms: number
}

export interface Timings {
  readonly steps: readonly Timing[]
  /** @throws what `work` throws, or the signal's reason once the start is given up. */
  measure<T>(step: string, work: () => Promise<T> | T): Promise<T>
}

/** `signal` aborts the start. */
export function recordTimings(
  signal: AbortSignal,
  now: () => number = performance.now.bind(performance),
): Timings {
  const origin = now()
  const steps: Timing[] = []
  return {
    steps,
    async measure(step, work) {
      signal.throwIfAborted()
      const begun = now()
      try {
        return await work()
      } finally {
        steps.push({ step, at: round(begun - origin), ms: round(now() - begun) })
      }
    },
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10
