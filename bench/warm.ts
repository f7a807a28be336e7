/**
 * A start as a clone of a template beside a cold one and a bare boot of the same machine, in turns, with a share and without one; then starts
 * with a machine that waited; and what an idle clone takes of memory.
 */
import { type BareGuest, bootBare } from './bare.ts'
import { configurationOf, type StartKind } from './configuration.ts'
import type { Host } from './host.ts'
import { servePool } from './pool.ts'
import { mib, ms, type Result, type ResultTable } from './report.ts'
import { readMemory } from './smaps.ts'
import { runOnce, stepMedians } from './start.ts'
import { round, type Summary, summarize } from './stats.ts'

/** Command to first output, as a share of a bare boot: what the host does weighs more beside a boot that is quicker. */
const aims = { tcg: 0.25, kvm: 0.5 } as const
/** The guest's last start work is over by then. */
const settleMs = 2000

type Run = Awaited<ReturnType<typeof runOnce>>

/** The options of a command, by the kind of start that they make. */
type Flags = Readonly<Record<'cold' | 'clone' | 'waiting' | 'mapped', readonly string[]>>

export async function benchWarm(host: Host, guest: BareGuest, rounds: number): Promise<Result> {
  const aim = aims[guest.accelerator]
  const of = (kind: StartKind) => ['--config', configurationOf(host, kind)]
  const flags: Flags = { cold: of('cold'), clone: of('clone'), waiting: of('waiting'), mapped: of('mapped') }
  const { totalMs: makeMs } = await host.must(['factory', 'init', ...flags.clone])
  await host.must(['factory', 'init', ...flags.mapped])
  try {
    const { bare, cold, clone, mapped } = await runInTurns(host, guest, flags, rounds)
    const pooled = await runPooled(host, flags.waiting, rounds)
    const summary = {
      bareBoot: summarize(bare),
      cold: summarize(cold),
      clone: summarize(clone.map(({ firstOutputMs }) => firstOutputMs)),
      mapped: summarize(mapped),
      pool: summarize(pooled.map(({ firstOutputMs }) => firstOutputMs)),
    }
    const memory = {
      cold: await idle(host, flags.cold),
      clone: await idle(host, flags.clone),
      'clone without a share': await idle(host, flags.mapped),
    }
    const steps = stepMedians(clone.map(({ steps }) => steps))
    const poolSteps = stepMedians(pooled.map(({ steps }) => steps))
    return {
      name: 'warm',
      what: `kata-ts run --rm -- echo x as a clone and as a cold start, beside a bare QEMU (${rounds} rounds in turns)`,
      tables: [
        startTable(summary),
        stepTable('step of a clone (median)', steps),
        stepTable('step of a start with a waiting machine (median)', poolSteps),
        memoryTable(memory),
      ],
      notes: [`aim: first output within ${aim} of a bare boot; making the template took ${ms(makeMs)}`],
      data: { rounds, ...summary, makeMs: round(makeMs), aim, steps, poolSteps, memory },
    }
  } finally {
    await host.must(['factory', 'destroy', ...flags.clone])
  }
}

/** Measures a bare boot, a cold start and both kinds of clone once in each round, so that noise hits them alike. */
async function runInTurns(host: Host, guest: BareGuest, flags: Flags, rounds: number) {
  const bare: number[] = []
  const cold: number[] = []
  const clone: Run[] = []
  const mapped: number[] = []
  for (let turn = 0; turn <= rounds; turn++) {
    const { bootMs } = await bootBare(guest)
    const booted = await runOnce(host, `cold-${turn}`, flags.cold)
    const cloned = await runOnce(host, `clone-${turn}`, flags.clone, { mayClone: true })
    const alike = await runOnce(host, `mapped-${turn}`, flags.mapped, { mayClone: true })
    // The first round fills the caches of all.
    if (turn === 0) continue
    bare.push(bootMs)
    cold.push(booted.firstOutputMs)
    clone.push(cloned)
    mapped.push(alike.firstOutputMs)
  }
  return { bare, cold, clone, mapped }
}

/** Starts containers, each in a machine that waited for it. @throws Error when a container took none. */
async function runPooled(host: Host, flags: readonly string[], rounds: number) {
  await using pool = servePool(host, flags)
  const runs: Run[] = []
  for (let turn = 0; turn <= rounds; turn++) {
    await pool.filled()
    const run = await runOnce(host, `pool-${turn}`, flags, { mayClone: true })
    if (run.waited === undefined) throw new Error(`pool-${turn} took no waiting machine`)
    // The first round fills the caches.
    if (turn > 0) runs.push(run)
  }
  return runs
}

/** PSS of an idle sandbox's VMM, KiB. */
interface IdleMemory {
  /** Without the guest's memory. */
  readonly own: number
  readonly guest: number
}

async function idle(host: Host, flags: readonly string[]): Promise<IdleMemory> {
  await host.startIdle('idle', flags)
  await Bun.sleep(settleMs)
  const { own, translated, bootFiles, guest } = readMemory(host.facts('idle').vmmPid)
  await host.must(['rm', '-f', 'idle'])
  return { own: own.pss + translated.pss + bootFiles.pss, guest: guest.pss }
}

function startTable(
  summary: Readonly<Record<'bareBoot' | 'cold' | 'clone' | 'mapped' | 'pool', Summary>>,
): ResultTable {
  const row = (label: string, { median, min, p90 }: Summary) => [
    ...[label, ms(median), ms(min), ms(p90), (median / summary.bareBoot.median).toFixed(2)],
  ]
  return {
    header: ['', 'median', 'min', 'p90', 'of bare'],
    rows: [
      row('bare QEMU until the agent answers', summary.bareBoot),
      row('cold start until the first output', summary.cold),
      row('clone until the first output', summary.clone),
      row('clone without a share until the first output', summary.mapped),
      row('waiting machine until the first output', summary.pool),
    ],
  }
}

function stepTable(title: string, steps: ReturnType<typeof stepMedians>): ResultTable {
  return {
    header: [title, 'begins at', 'takes'],
    rows: steps.map(({ step, at, ms: took }) => [step, ms(at), ms(took)]),
  }
}

function memoryTable(memory: Readonly<Record<string, IdleMemory>>): ResultTable {
  return {
    header: ['PSS of an idle one', 'QEMU without the guest', 'the guest', 'both'],
    rows: Object.entries(memory).map(([label, { own, guest }]) => [
      ...[label, mib(own), mib(guest), mib(own + guest)],
    ]),
  }
}
