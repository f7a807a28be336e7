/** Whether a process that lives long stays as large as it was: the lowest readings of the first and of the last third. */

/** One reading of a process. Memory in KiB, processor time in seconds since its start. */
export interface Reading {
  /** Seconds since the beginning of the soak. */
  readonly at: number
  readonly rss: number
  readonly pss: number
  /** What only this process has, without the guest's memory and the guest code that TCG has translated. */
  readonly own: number
  readonly descriptors: number
  readonly threads: number
  readonly cpuSeconds: number
}

export interface Growth {
  readonly readings: number
  /** From the first reading to the last. */
  readonly seconds: number
  readonly first: Lowest
  readonly last: Lowest
  /** Least squares over the readings after the first third, KiB a minute. */
  readonly ownPerMinute: number
  /** Share of one processor over all readings. */
  readonly cpu: number
}

type Lowest = Pick<Reading, 'rss' | 'pss' | 'own' | 'descriptors' | 'threads'>
const measures = ['rss', 'pss', 'own', 'descriptors', 'threads'] as const

/** Fewer readings say nothing about a third of them. */
export const fewestReadings = 9

/** Undefined when there are too few readings to compare. Pure. */
export function growthOf(readings: readonly Reading[]): Growth | undefined {
  if (readings.length < fewestReadings) return undefined
  const third = Math.floor(readings.length / 3)
  const [begin, end] = [readings[0]!, readings.at(-1)!]
  return {
    readings: readings.length,
    seconds: end.at - begin.at,
    first: lowest(readings.slice(0, third)),
    last: lowest(readings.slice(-third)),
    ownPerMinute: slope(readings.slice(third)) * 60,
    cpu: (end.cpuSeconds - begin.cpuSeconds) / (end.at - begin.at),
  }
}

function lowest(readings: readonly Reading[]): Lowest {
  return Object.fromEntries(
    measures.map((name) => [name, Math.min(...readings.map((reading) => reading[name]))]),
  ) as unknown as Lowest
}

/** KiB a second. */
function slope(readings: readonly Reading[]): number {
  const mean = (of: (reading: Reading) => number) =>
    readings.reduce((sum, reading) => sum + of(reading), 0) / readings.length
  const [at, own] = [mean((reading) => reading.at), mean((reading) => reading.own)]
  const variance = mean((reading) => (reading.at - at) ** 2)
  return variance === 0 ? 0 : mean((reading) => (reading.at - at) * (reading.own - own)) / variance
}

/** What the lowest of the last third may be above that of the first, KiB: code that was compiled meanwhile. */
const tolerance = 4096
/** Before that a shim has not met all of its code, and its heap has not been collected often: memory says nothing yet. */
const warmSeconds = 300
/** Connections of a containerd that was restarted come and go, and streams of probes; in a short soak few readings are without. */
const moreDescriptors = { short: 8, long: 4 }
/** Threads of a pool come and go. */
const moreThreads = 2

/** What grew and should not have, in words; empty when all is flat. */
export function whatGrew(name: string, { first, last, seconds }: Growth): string[] {
  const grew = (measure: keyof Lowest, allowed: number) =>
    last[measure] > first[measure] + allowed
      ? [`${name}: ${measure} grew from ${first[measure]} to ${last[measure]}`]
      : []
  const isShort = seconds < warmSeconds
  const memory = isShort ? [] : grew('own', tolerance)
  return [
    ...memory,
    ...grew('descriptors', isShort ? moreDescriptors.short : moreDescriptors.long),
    ...grew('threads', moreThreads),
  ]
}
