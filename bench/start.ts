/** Cold start beside a bare boot of the same machine, in turns, so that noise hits both alike. */
import type { StartedFacts } from '../setup/demo/sandbox-facts.ts'
import type { Timing } from '../src/sandbox/start/timings.ts'
import { type BareGuest, bootBare } from './bare.ts'
import type { Host } from './host.ts'
import { ms, type Result, share, summaryRow } from './report.ts'
import { compare, round, summarize } from './stats.ts'

/** What the runtime may add to a bare boot, as a share of it. */
const aim = 0.35

export async function benchStart(host: Host, guest: BareGuest, rounds: number): Promise<Result> {
  const bare: number[] = []
  const runs: Round[] = []
  for (let round = 0; round <= rounds; round++) {
    const { bootMs } = await bootBare(guest)
    const run = await runOnce(host, `start-${round}`)
    // The first round fills the caches of both.
    if (round === 0) continue
    bare.push(bootMs)
    runs.push(run)
  }
  const summary = {
    bareBoot: summarize(bare),
    firstOutput: summarize(runs.map(({ firstOutputMs }) => firstOutputMs)),
    total: summarize(runs.map(({ totalMs }) => totalMs)),
    end: summarize(runs.map(({ totalMs, firstOutputMs }) => totalMs - firstOutputMs)),
  }
  const comparison = compare(summary.firstOutput, summary.bareBoot)
  const steps = stepMedians(runs.map(({ steps }) => steps))
  return {
    name: 'start',
    what: `kata-ts run --rm -- echo x, beside a bare QEMU (${rounds} rounds in turns)`,
    tables: [
      {
        header: ['', 'median', 'min', 'p90'],
        rows: [
          summaryRow('bare QEMU until the agent answers', summary.bareBoot),
          summaryRow('kata-ts until the first output', summary.firstOutput),
          summaryRow('kata-ts until it has ended', summary.total),
          summaryRow('  of that after the first output', summary.end),
        ],
      },
      {
        header: ['step (median)', 'begins at', 'takes'],
        rows: steps.map(({ step, at, ms: took }) => [step, ms(at), ms(took)]),
      },
    ],
    notes: [
      `ratio kata-ts / bare: ${comparison.ratio.toFixed(2)}; added share: ${share(comparison.added)} (aim: at most ${share(aim)})`,
    ],
    data: {
      rounds,
      ...summary,
      ...comparison,
      aim,
      steps,
      bareMs: bare.map(round),
      firstOutputMs: runs.map((run) => round(run.firstOutputMs)),
    },
  }
}

interface Round {
  readonly firstOutputMs: number
  readonly totalMs: number
  /** The name under which its machine waited in a pool; undefined for one that was started for it. */
  readonly waited: string | undefined
  /** From the command on. */
  readonly steps: readonly Timing[]
}

/**
 * One start. The steps are read the moment the first byte comes: a little later the sandbox is gone.
 *
 * @throws Error when it is a clone of a template, unless that is what is measured.
 */
export async function runOnce(
  host: Pick<Host, 'must' | 'facts'>,
  name: string,
  flags: readonly string[] = [],
  { mayClone = false } = {},
): Promise<Round> {
  let facts: StartedFacts | undefined
  const measured = await host.must(['run', '--rm', '--name', name, ...flags, '--', 'echo', 'x'], {
    onFirstByte: () => {
      facts = host.facts(name)
    },
  })
  const { firstByteMs, totalMs, startedAt } = measured
  if (facts === undefined || firstByteMs === undefined) throw new Error(`${name} printed nothing`)
  if (facts.template !== '' && !mayClone) throw new Error(`${name} was a clone, not a cold start`)
  const offset = facts.startedAt - startedAt
  const inside = facts.timings.map(({ step, at, ms }) => ({ step, at: offset + at, ms }))
  const ready = Math.max(...inside.map(({ at, ms }) => at + ms))
  const before = { step: 'kata-ts and shim', at: 0, ms: offset }
  const after = { step: 'container until its first output', at: ready, ms: firstByteMs - ready }
  return { firstOutputMs: firstByteMs, totalMs, waited: facts.waited, steps: [before, ...inside, after] }
}

/** Median of begin and duration per step, in the order in which the steps begin. */
export function stepMedians(rounds: readonly (readonly Timing[])[]): Timing[] {
  const names = [...new Set(rounds.flat().map(({ step }) => step))]
  return names
    .map((step) => {
      const each = rounds.flat().filter((timing) => timing.step === step)
      return {
        step,
        at: summarize(each.map(({ at }) => at)).median,
        ms: summarize(each.map(({ ms }) => ms)).median,
      }
    })
    .sort((a, b) => a.at - b.at)
}
