/** What a handful of noisy measurements says. */

export interface Summary {
  readonly count: number
  readonly median: number
  readonly min: number
  /** Nine of ten are at most this. */
  readonly p90: number
}

/** @throws Error when there is nothing to sum up. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('no measurement')
  const sorted = [...values].sort((a, b) => a - b)
  return {
    count: sorted.length,
    median: round((at(sorted, 0.5, Math.floor) + at(sorted, 0.5, Math.ceil)) / 2),
    min: round(sorted[0]!),
    p90: round(at(sorted, 0.9, Math.ceil)),
  }
}

function at(sorted: readonly number[], share: number, to: (index: number) => number): number {
  return sorted[to((sorted.length - 1) * share)]!
}

/** To a tenth: finer than that is noise. */
export const round = (value: number): number => Math.round(value * 10) / 10

/** How two series of the same rounds compare. */
export interface Comparison {
  /** Median of `a` divided by median of `b`. */
  readonly ratio: number
  /** (a - b) / b: what `a` adds, as a share of `b`. */
  readonly added: number
}

export function compare(a: Summary, b: Summary): Comparison {
  const hundredth = (value: number) => Math.round(value * 100) / 100
  return { ratio: hundredth(a.median / b.median), added: hundredth((a.median - b.median) / b.median) }
}
