/** A node's worth of pods for some minutes, as {@link soak} has it; figures of the calls and of what lives long. */
import { vmm } from '../e2e/harness/vmm.ts'
import { readNodeSettings } from './node/settings.ts'
import { type SoakReport, soak } from './node/soak.ts'
import type { ProcessGrowth } from './node/usage.ts'
import { mib, ms, type Result, type ResultTable } from './report.ts'

/** @throws Error naming a wrong setting, or what went wrong on the node. */
export async function benchNode(asked: string, interrupted: AbortSignal): Promise<Result> {
  const say = (line: string) => process.stderr.write(`  ${line}\n`)
  const report = await soak(readNodeSettings(asked), say, interrupted)
  interrupted.throwIfAborted()
  if (report.problems.length > 0) throw new Error(`the node had problems:\n${report.problems.join('\n')}`)
  return nodeResult(report)
}

/** The report as tables. Pure. */
export function nodeResult(report: SoakReport): Result {
  const { settings, calls, reasons, growth } = report
  const { pods, minutes, residents, ...periods } = settings
  const every = Object.entries(periods).map(([name, seconds]) => `${name} ${seconds} s`)
  return {
    name: 'node',
    what: `${pods} pods of two containers with ${vmm.driver} for ${minutes} min, ${residents} of them residents; ${every.join(', ')}`,
    tables: [
      {
        header: ['', 'count', 'failed', 'median', 'p90'],
        rows: Object.entries(calls).map(([name, { count, failed, median, p90 }]) => [
          name,
          `${count}`,
          `${failed}`,
          ms(median),
          ms(p90),
        ]),
      },
      {
        header: ['how containers of killed pods ended, as a kubelet is told', 'containers'],
        rows: Object.entries(reasons).map(([reason, count]) => [reason, `${count}`]),
      },
      growthTable(growth),
    ],
    notes: ['Failed calls are those that a kill or the restart of containerd explains.'],
    data: { unit: 'ms', vmm: vmm.driver, ...report },
  }
}

/** The process of each kind that grew most. */
function growthTable(all: readonly ProcessGrowth[]): ResultTable {
  const kinds = [...new Set(all.map(({ process }) => process))]
  const grewBy = ({ first, last }: ProcessGrowth) => last.own - first.own
  const rows = kinds.map((kind) => {
    const ofKind = all.filter(({ process }) => process === kind)
    const { first, last, ownPerMinute, cpu } = ofKind.reduce((most, other) =>
      grewBy(other) > grewBy(most) ? other : most,
    )
    const pair = (of: 'rss' | 'pss' | 'own') => `${mib(first[of])} → ${mib(last[of])}`
    return [
      `${kind} (${ofKind.length})`,
      ...[pair('rss'), pair('pss'), pair('own'), `${ownPerMinute.toFixed(0)} KiB`],
      `${first.descriptors} → ${last.descriptors}`,
      `${(cpu * 100).toFixed(1)} %`,
    ]
  })
  const header = [
    'lowest of the first and last third',
    'RSS',
    'PSS',
    'own',
    'own, a minute',
    'descriptors',
    'CPU',
  ]
  return { header, rows }
}
