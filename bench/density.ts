/**
 * How an idle sandbox's memory and the next one's start grow with the number of those that run: a mean over all of them, by process and
 * part. It stops before the host's memory runs short, and says so. Then the same of clones without a share, which have their memory in common.
 */
import { configurationOf } from './configuration.ts'
import { freeMemoryMiB } from './free-memory.ts'
import type { Host } from './host.ts'
import { mib, ms, type Result } from './report.ts'
import { type Memory, nothing, readMemory, sum } from './smaps.ts'
import { runOnce } from './start.ts'
import { round, type Summary, summarize } from './stats.ts'

/** Sandboxes at which is measured. */
export const defaultSteps = [1, 5, 10, 20, 40]
const guestMiB = 256
/** Left to the host, of what it could give. */
const reserveMiB = 2048
/** More than any one has taken, by far. */
const roomForOneMiB = 512
/** The last guest's start work is over by then. */
const settleMs = 5000
const nextStarts = 3
const mostClones = 20

/** The parts of a sandbox, as a plot stacks them. */
export const parts = [
  'shim',
  'virtiofsd',
  'QEMU',
  'QEMU: translated guest code',
  'QEMU: kernel and initrd files',
  'guest memory',
] as const
export type Part = (typeof parts)[number]

/** What was found with so many sandboxes. */
export interface DensityStep {
  readonly sandboxes: number
  /** KiB of one sandbox, the mean over all. */
  readonly memory: Readonly<Record<Part, Memory>>
  /** Milliseconds of one more `run --rm -- echo x` until its first output. */
  readonly nextStart: Summary
}

export interface DensityData {
  readonly guestMiB: number
  readonly steps: readonly DensityStep[]
  /** Why there are no more steps; absent when all were done. */
  readonly stopped?: string
  /** Clones without a share; absent where not even one could be started. */
  readonly clones?: Omit<DensityStep, 'nextStart'>
}

/** @throws Error when not even the first step could be done. */
export async function benchDensity(host: Host, wanted: readonly number[]): Promise<Result> {
  const steps: DensityStep[] = []
  const names: string[] = []
  let stopped: string | undefined
  for (const sandboxes of wanted) {
    stopped = await fill(host, names, sandboxes)
    if (stopped !== undefined) break
    await Bun.sleep(settleMs)
    steps.push({ sandboxes, memory: meanOf(host, names), nextStart: await nextStart(host, sandboxes) })
    process.stderr.write(`  ${sandboxes} sandboxes\n`)
  }
  await host.removeAll()
  if (steps.length === 0) throw new Error(`no sandbox could be measured: ${stopped}`)
  const clones = await measureClones(host, Math.min(mostClones, steps.at(-1)!.sandboxes))
  return report({
    guestMiB,
    steps,
    ...(stopped !== undefined && { stopped }),
    ...(clones && { clones }),
  })
}

async function measureClones(host: Host, wanted: number): Promise<DensityData['clones']> {
  const flags = ['--config', configurationOf(host, 'mapped', { default_memory: `${guestMiB}` })]
  await host.must(['factory', 'init', ...flags])
  try {
    const names: string[] = []
    const stopped = await fill(host, names, wanted, flags)
    if (stopped !== undefined) process.stderr.write(`  clones: ${stopped}\n`)
    if (names.length === 0) return undefined
    await Bun.sleep(settleMs)
    return { sandboxes: names.length, memory: meanOf(host, names) }
  } finally {
    await host.removeAll()
    await host.must(['factory', 'destroy', ...flags])
  }
}

/** Starts sandboxes until there are so many. Returns why it stopped before; `names` has those that run. */
async function fill(
  host: Host,
  names: string[],
  wanted: number,
  flags: readonly string[] = ['--machine-memory', `${guestMiB}M`],
): Promise<string | undefined> {
  while (names.length < wanted) {
    const free = freeMemoryMiB()
    if (free < reserveMiB + roomForOneMiB)
      return `at ${names.length} sandboxes the host had ${free} MiB to give, of which ${reserveMiB} are left to it`
    const name = `density-${names.length + 1}`
    try {
      await host.startIdle(name, flags)
    } catch (error) {
      return `sandbox ${names.length + 1} did not start: ${(error as Error).message}`
    }
    names.push(name)
  }
  return undefined
}

async function nextStart(host: Host, sandboxes: number): Promise<Summary> {
  const times: number[] = []
  for (let turn = 0; turn < nextStarts; turn++)
    times.push(
      (await runOnce(host, `next-${sandboxes}-${turn}`, ['--machine-memory', `${guestMiB}M`])).firstOutputMs,
    )
  return summarize(times)
}

function meanOf(host: Host, names: readonly string[]): Record<Part, Memory> {
  const total = Object.fromEntries(parts.map((part) => [part, nothing])) as Record<Part, Memory>
  const add = (part: Part, memory: Memory) => {
    total[part] = sum(total[part], memory)
  }
  for (const name of names) {
    const { shimPid, vmmPid, virtiofsdPids } = host.facts(name)
    add('shim', readMemory(shimPid).own)
    const qemu = readMemory(vmmPid)
    add('QEMU', qemu.own)
    add('QEMU: translated guest code', qemu.translated)
    add('QEMU: kernel and initrd files', qemu.bootFiles)
    add('guest memory', qemu.guest)
    for (const pid of virtiofsdPids) {
      const { own, guest } = readMemory(pid)
      add('virtiofsd', own)
      // Pages that both have mapped are resident once.
      add('guest memory', { ...nothing, pss: guest.pss })
    }
  }
  const mean = (kib: number) => round(kib / names.length)
  return Object.fromEntries(
    parts.map((part) => {
      const { rss, pss, private: alone } = total[part]
      return [part, { rss: mean(rss), pss: mean(pss), private: mean(alone) }]
    }),
  ) as Record<Part, Memory>
}

/** The measured as tables. Pure. */
export function report(data: DensityData): Result {
  const { steps, stopped, clones } = data
  const header = steps.map(({ sandboxes }) => `at ${sandboxes}`)
  const all = ({ memory }: DensityStep) => parts.map((part) => memory[part]).reduce(sum)
  const row = (label: string, cell: (step: DensityStep) => string) => [label, ...steps.map(cell)]
  return {
    name: 'density',
    what: `one of so many idle sandboxes of ${guestMiB} MiB, the mean over all; and the next one's start (${nextStarts} rounds)`,
    tables: [
      {
        header: ['PSS of one sandbox', ...header],
        rows: [
          ...parts.map((part) => row(part, ({ memory }) => mib(memory[part].pss))),
          row('sum', (step) => mib(all(step).pss)),
        ],
      },
      {
        header: ['of one sandbox', ...header],
        rows: [row('RSS', (step) => mib(all(step).rss)), row('private', (step) => mib(all(step).private))],
      },
      {
        header: ['the next one, until its first output', ...header],
        rows: [
          row('median', ({ nextStart }) => ms(nextStart.median)),
          row('of the first', ({ nextStart }) => (nextStart.median / steps[0]!.nextStart.median).toFixed(2)),
        ],
      },
      ...(clones === undefined ? [] : [tableOfClones(clones)]),
    ],
    notes: stopped === undefined ? [] : [`Stopped early: ${stopped}.`],
    data,
  }
}

function tableOfClones({ sandboxes, memory }: NonNullable<DensityData['clones']>): Result['tables'][number] {
  const row = (label: string, { pss, private: alone }: Memory) => [label, mib(pss), mib(alone)]
  return {
    header: [`one clone of ${sandboxes}, without a share`, 'PSS', 'private'],
    rows: [
      ...parts.map((part) => row(part, memory[part])),
      row('sum', parts.map((part) => memory[part]).reduce(sum)),
    ],
  }
}

/** Numbers of sandboxes as they are asked for: `1,5,10`. @throws Error when they do not rise from 1. */
export function readSteps(asked: string): number[] {
  const steps = asked === '' ? defaultSteps : asked.split(',').map(Number)
  if (!steps.every((step, at) => Number.isInteger(step) && step > (steps[at - 1] ?? 0)))
    throw new Error(`--sandboxes ${asked}: give rising whole numbers, such as ${defaultSteps}`)
  return steps
}
