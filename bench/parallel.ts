/** Many starts at once: until the last of them has printed. */
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { runOnce } from './start.ts'
import { summarize } from './stats.ts'

const sizes = [1, 4, 8]

export async function benchParallel(host: Host): Promise<Result> {
  const rows: { size: number; lastMs: number; perSandboxMs: number; median: number }[] = []
  for (const size of sizes) {
    const names = Array.from({ length: size }, (_, i) => `parallel-${size}-${i}`)
    const runs = await Promise.all(names.map((name) => runOnce(host, name)))
    const times = runs.map(({ firstOutputMs }) => firstOutputMs)
    const lastMs = Math.max(...times)
    rows.push({ size, lastMs, perSandboxMs: lastMs / size, median: summarize(times).median })
  }
  return {
    name: 'parallel',
    what: 'several kata-ts run at once',
    tables: [
      {
        header: ['at once', 'median first output', 'last first output', 'per sandbox'],
        rows: rows.map(({ size, median, lastMs, perSandboxMs }) => [
          String(size),
          ms(median),
          ms(lastMs),
          ms(perSandboxMs),
        ]),
      },
    ],
    notes: [],
    data: { rows },
  }
}
