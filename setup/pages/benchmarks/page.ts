/**
 * docs/benchmarks.md: its text is written by hand; what stands between two marks is made of the records in bench/results, and so are the
 * plots.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BenchRecord, type Conditions, readRecords } from '../../../bench/records/record.ts'
import { root } from '../../paths.ts'
import { type PlotFile, plots } from './plots.ts'

export const benchmarksPage = 'docs/benchmarks.md'
const imagesBelowDocs = 'images/benchmarks'

type Records = ReadonlyMap<string, BenchRecord>

const block = /^<!-- record: (\S+) -->\n.*?^<!-- end of record -->$/gms

/** Names of the records that a page shows. */
export const shownRecords = (page: string): string[] => [...page.matchAll(block)].map(([, name]) => name!)

/** The page and the plots by their paths from the repository's root. */
export function benchmarkFiles(
  page: string = readFileSync(join(root, benchmarksPage), 'utf8'),
  records: Records = readRecords(),
): Readonly<Record<string, string>> {
  const drawn = new Map<string, { readonly plot: PlotFile; readonly svg: string }>()
  for (const plot of plots) {
    const svg = draw(plot, records.get(plot.record))
    if (svg !== undefined) drawn.set(plot.name, { plot, svg })
  }
  const filled = page.replace(block, (_, name: string) => {
    const images = [...drawn.values()].map(({ plot }) => plot).filter(({ record }) => record === name)
    const content = blockOf(name, records.get(name), images)
    return `<!-- record: ${name} -->\n${content}\n<!-- end of record -->`
  })
  return {
    [benchmarksPage]: filled,
    ...Object.fromEntries([...drawn].map(([name, { svg }]) => [`docs/${imagesBelowDocs}/${name}.svg`, svg])),
  }
}

/** @throws Error naming the record when it has not what the plot shows. */
function draw(plot: PlotFile, record: BenchRecord | undefined): string | undefined {
  if (record === undefined) return undefined
  try {
    return plot.draw(record.data)
  } catch (cause) {
    throw new Error(`the plot ${plot.name} cannot be drawn of the record ${plot.record}: ${cause}`, { cause })
  }
}

function blockOf(name: string, record: BenchRecord | undefined, images: readonly PlotFile[]): string {
  if (record === undefined)
    return `Not recorded yet: \`npm run bench -- --record ${name.replace(/\.kvm$/, '')}\` does it.`
  const { conditions, what, tables, notes } = record
  return [
    `Measured: ${what}. _${conditionsOf(conditions)}_`,
    ...images.map(({ name: image, caption }) => `![${caption}](${imagesBelowDocs}/${image}.svg)`),
    ...tables.map(({ header, rows }) => [header, header.map(() => '---'), ...rows].map(line).join('\n')),
    ...notes,
  ].join('\n\n')
}

const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
const cell = (text: string): string =>
  text.trim().replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')

/** When, where and beside what it was measured, in a sentence or three. */
export function conditionsOf(conditions: Conditions): string {
  const { date, commit, machine, load, busy, stolen, wasBusy, inLab, transcribed } = conditions
  const { cpuModel, cpus, memory, kernel, qemu, accelerator, guest } = machine
  const percent = (share: number) => `${Math.round(share * 100)} %`
  const facts = [
    [
      cpus === undefined ? `CPUs ${cpuModel}` : `${cpus} CPUs (${cpuModel})`,
      ...(memory === undefined ? [] : [memory]),
      `Linux ${kernel}`,
    ].join(', '),
    `QEMU ${qemu} under ${accelerator.toUpperCase()}`,
    `guest of ${guest.vcpus} vCPU and ${guest.memoryMiB} MiB`,
    ...(load === undefined ? [] : [`load ${load.start}${load.end === undefined ? '' : ` → ${load.end}`}`]),
    ...(busy === undefined
      ? []
      : [`other work ${percent(busy.start)} before and ${percent(busy.end)} after`]),
    ...(stolen === undefined ? [] : [`${percent(stolen)} taken by other machines meanwhile`]),
  ]
  return [
    `${date.replace('T', ' ').replace('Z', ' UTC')}${commit === undefined ? '' : `, commit ${commit}`}: ${facts.join('; ')}.`,
    ...(wasBusy ? ['**The machine was busy: these times say little.**'] : []),
    ...(inLab
      ? [
          'On the [lab host](design/lab.md), where KVM is real and the processor emulated: only ratios mean anything.',
        ]
      : []),
    ...(transcribed === undefined ? [] : [transcribed]),
  ].join(' ')
}
