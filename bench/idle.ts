/** What can be measured on one running sandbox: exec, and the end. */
import type { Host } from './host.ts'
import { ms, type Result, summaryRow } from './report.ts'
import { summarize } from './stats.ts'

/** Time of `kata-ts exec` until its first output and until it has ended. */
export async function benchExec(host: Host, rounds: number): Promise<Result> {
  await host.startIdle('exec')
  const first: number[] = []
  const total: number[] = []
  for (let i = 0; i <= rounds; i++) {
    const { firstByteMs, totalMs } = await host.must(['exec', 'exec', '--', 'echo', 'x'])
    if (i === 0) continue
    first.push(firstByteMs ?? Number.NaN)
    total.push(totalMs)
  }
  await host.must(['rm', '-f', 'exec'])
  const summary = { firstOutput: summarize(first), total: summarize(total) }
  return {
    name: 'exec',
    what: `kata-ts exec NAME -- echo x (${rounds} rounds)`,
    tables: [
      {
        header: ['', 'median', 'min', 'p90'],
        rows: [
          summaryRow('until the first output', summary.firstOutput),
          summaryRow('until it has ended', summary.total),
        ],
      },
    ],
    notes: [],
    data: { rounds, ...summary },
  }
}

/** Time to end a running sandbox and to release everything of it. */
export async function benchStop(host: Host, rounds: number): Promise<Result> {
  const times: number[] = []
  for (let i = 0; i < rounds; i++) {
    await host.startIdle('stop')
    times.push((await host.must(['rm', '-f', 'stop'])).totalMs)
  }
  const { median, min, p90 } = summarize(times)
  return {
    name: 'stop',
    what: `kata-ts rm -f of a running sandbox (${rounds} rounds)`,
    tables: [{ header: ['', 'median', 'min', 'p90'], rows: [['rm -f', ms(median), ms(min), ms(p90)]] }],
    notes: [],
    data: { rounds, median, min, p90 },
  }
}
