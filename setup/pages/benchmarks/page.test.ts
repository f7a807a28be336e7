import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parts } from '../../../bench/density.ts'
import { benchmarkNames } from '../../../bench/records/names.ts'
import { type BenchRecord, type Conditions, readRecords, recordName } from '../../../bench/records/record.ts'
import { summarize } from '../../../bench/stats.ts'
import { root } from '../../paths.ts'
import { bars, colours, textColour } from './chart.ts'
import { benchmarkFiles, benchmarksPage, conditionsOf, shownRecords } from './page.ts'
import { plots } from './plots.ts'

const conditions: Conditions = {
  date: '2026-11-27T01:02Z',
  commit: 'abc',
  machine: {
    cpuModel: 'a processor',
    cpus: 2,
    memory: '1024 MiB',
    kernel: '6.12',
    qemu: '10.0.0',
    accelerator: 'tcg',
    guest: { vcpus: 1, memoryMiB: 256 },
  },
  load: { start: 0.1, end: 1.2 },
  busy: { start: 0, end: 0.04 },
  stolen: 0.01,
}
const record = (benchmark: BenchRecord['benchmark'], data: BenchRecord['data']): BenchRecord => ({
  benchmark,
  conditions,
  what: 'it',
  notes: ['A note.'],
  data,
  tables: [{ header: ['', 'median'], rows: [['a | b', ' 1 ms']] }],
})
const time = summarize([1000])
const memory = Object.fromEntries(parts.map((part) => [part, { rss: 4096, pss: 2048, private: 1024 }]))
const whole = [
  record('start', {
    bareBoot: time,
    firstOutput: summarize([1300]),
    total: summarize([1400]),
    steps: [{ step: 'guest <boot>', at: 10, ms: 900 }],
  }),
  record('warm', { bareBoot: time, cold: summarize([1300]), clone: summarize([500]) }),
  record('peers', {
    start: { 'bare QEMU': { until: 'until the agent answers', time } },
    exec: { 'kata-ts': { firstOutput: time, total: time } },
  }),
  record('density', {
    guestMiB: 256,
    steps: [1, 40].map((sandboxes) => ({ sandboxes, memory, nextStart: time })),
  }),
  record('exec', { firstOutput: time, total: time }),
  record('streams', { stdout: time, stdin: time }),
  record('containerd', {
    calls: Object.fromEntries(
      ['runc', 'cold', 'clone', 'waiting'].map((handler) => [handler, { RunPodSandbox: time }]),
    ),
    bareBoot: time,
  }),
]
const records = new Map<string, BenchRecord>(whole.map((one) => [recordName(one), one]))
const page = 'Text.\n\n<!-- record: start -->\nold\n<!-- end of record -->\n\nMore.\n'
/** Drawn once: a test that waits for the library to load has no bound on a busy machine. */
const files = benchmarkFiles(page, records)

test('what stands between the marks is made of the record, and the text around it stays', () => {
  const { [benchmarksPage]: filled } = files
  expect(filled).toStartWith(
    'Text.\n\n<!-- record: start -->\nMeasured: it. _2026-11-27 01:02 UTC, commit abc: ',
  )
  expect(filled).toContain(
    '\n|  | median |\n| --- | --- |\n| a \\| b | 1 ms |\n\nA note.\n<!-- end of record -->',
  )
  expect(filled).toContain('](images/benchmarks/start.svg)\n\n![')
  expect(filled).not.toContain('old')
  expect(benchmarkFiles(filled, records)[benchmarksPage]).toBe(filled!)
})

test('a benchmark without a record is named with the command that makes it', () => {
  expect(benchmarkFiles(page, new Map())).toEqual({
    [benchmarksPage]: page.replace('old', 'Not recorded yet: `npm run bench -- --record start` does it.'),
  })
})

test('a record of a busy machine says so', () => {
  expect(conditionsOf(conditions)).not.toContain('busy')
  expect(conditionsOf({ ...conditions, wasBusy: true })).toContain('**The machine was busy')
})

test('a record of the lab host says that only its ratios mean anything', () => {
  expect(conditionsOf(conditions)).not.toContain('lab host')
  expect(conditionsOf({ ...conditions, inLab: true })).toContain('only ratios mean anything')
})

test('every plot can be drawn, each time with the same bytes, and none hangs on the others', () => {
  const svgs = Object.keys(files).filter((path) => path.endsWith('.svg'))
  expect(svgs.sort()).toEqual(
    plots
      .filter(({ record: name }) => !name.endsWith('.kvm'))
      .map(({ name }) => `docs/images/benchmarks/${name}.svg`)
      .sort(),
  )
  expect(benchmarkFiles(page, records)).toEqual(files)
  const alone = benchmarkFiles(page, new Map([['exec', records.get('exec')!]]))
  expect(alone['docs/images/benchmarks/exec.svg']).toBe(files['docs/images/benchmarks/exec.svg']!)
})

test('a plot is a picture: no script, no style, nothing from elsewhere, and text is no markup', () => {
  for (const [path, svg] of Object.entries(files)) {
    if (!path.endsWith('.svg')) continue
    expect(svg.replaceAll(/ xmlns(:xlink)?="[^"]*"/g, '')).not.toMatch(
      /<script|<style|href|http|class=|undefined|NaN/,
    )
    expect(svg).toContain('<title>')
  }
  expect(files['docs/images/benchmarks/start-steps.svg']).toContain('guest &lt;boot&gt;')
  expect(files['docs/images/benchmarks/start.svg']).toContain('1300 ms, 1.30')
})

test('a record that does not have what a plot shows is an error with both names', () => {
  expect(() => benchmarkFiles(page, new Map([['start', record('start', {})]]))).toThrow(
    /plot start .* record start/,
  )
})

/** Contrast as WCAG 2.2 defines it. */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const [light, dark] = [luminance(a), luminance(b)].sort((one, other) => other - one)
  return (light! + 0.05) / (dark! + 0.05)
}

test.each(['#ffffff', '#0d1117'])('text and bars can be read on %s', (background) => {
  expect(contrast(textColour, background)).toBeGreaterThan(4)
  for (const colour of colours) expect([colour, contrast(colour, background) >= 3]).toEqual([colour, true])
})

test('every colour of a plot is one of ours', () => {
  const svg = bars({
    title: 'x',
    unit: 'ms',
    rows: ['a'],
    series: colours.map((_, index) => ({ name: `${index}`, values: [index + 1] })),
  })
  const used = [...svg.matchAll(/(?:fill|stroke)="(#[0-9a-f]{6})"/g)].map(([, colour]) => colour!)
  expect([...new Set(used)].sort()).toEqual([...new Set([...colours, textColour])].sort())
})

test('the page shows every benchmark and every record', () => {
  const shown = shownRecords(readFileSync(join(root, benchmarksPage), 'utf8'))
  expect(shown).toEqual(expect.arrayContaining([...benchmarkNames, ...readRecords().keys()]))
  expect(shown).toEqual([...new Set(shown)])
})

test('no plot is kept that nothing draws any more', () => {
  const kept = readdirSync(join(root, 'docs/images/benchmarks')).map(
    (file) => `docs/images/benchmarks/${file}`,
  )
  expect(Object.keys(benchmarkFiles())).toEqual(expect.arrayContaining(kept))
})
