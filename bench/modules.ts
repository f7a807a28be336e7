/**
 * What the kernel modules of the guest's image cost a start that needs none of them: in turns, with them and without. A kernel that the
 * configuration names gets no modules, so the same kernel is named there.
 */
import { writeFileSync } from 'node:fs'
import type { BareGuest } from './bare.ts'
import { shippedWith } from './configuration.ts'
import type { Host } from './host.ts'
import { type Result, share, summaryRow } from './report.ts'
import { runOnce } from './start.ts'
import { compare, round, summarize } from './stats.ts'

export async function benchModules(host: Host, { kernel }: BareGuest, rounds: number): Promise<Result> {
  const configured = (name: string, settings: Readonly<Record<string, string>>) => {
    const config = `${host.stateDir}/${name}.toml`
    writeFileSync(config, shippedWith(settings))
    return config
  }
  const configs = {
    with: configured('modules', {}),
    without: configured('no-modules', { kernel: JSON.stringify(kernel) }),
  }
  const times: Record<keyof typeof configs, number[]> = { with: [], without: [] }
  for (let turn = 0; turn <= rounds; turn++) {
    // Each goes first in every second turn.
    for (const which of turn % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)) {
      const run = await runOnce(host, `${which}-${turn}`, ['--config', configs[which]])
      // The first round fills the caches of both.
      if (turn > 0) times[which].push(run.firstOutputMs)
    }
  }
  const summary = { with: summarize(times.with), without: summarize(times.without) }
  const comparison = compare(summary.with, summary.without)
  return {
    name: 'modules',
    what: `kata-ts run --rm -- echo x, with the image's kernel modules and without (${rounds} rounds in turns)`,
    tables: [
      {
        header: ['until the first output', 'median', 'min', 'p90'],
        rows: [summaryRow('with the modules', summary.with), summaryRow('without', summary.without)],
      },
    ],
    notes: [`ratio with / without: ${comparison.ratio.toFixed(2)}; added share: ${share(comparison.added)}`],
    data: {
      rounds,
      ...summary,
      ...comparison,
      withMs: times.with.map(round),
      withoutMs: times.without.map(round),
    },
  }
}
