import { expect, test } from 'bun:test'
import { mib, ms, type Result, renderJson, renderText, share } from './report.ts'

const result: Result = {
  name: 'start',
  what: 'how long it takes',
  tables: [
    {
      header: ['', 'median'],
      rows: [
        ['short', '9.0 ms'],
        ['a longer name', '1234 ms'],
      ],
    },
  ],
  notes: ['it is fast'],
  data: { median: 9 },
}

test('numbers stand below each other', () => {
  expect(renderText(result)).toBe(
    '\nstart: how long it takes\n\n                  median\n  short           9.0 ms\n  a longer name  1234 ms\n\n  it is fast\n',
  )
})

test('programs get the data by the name of the benchmark', () => {
  expect(JSON.parse(renderJson([result], { cpus: 2 }))).toEqual({
    machine: { cpus: 2 },
    start: { median: 9 },
  })
})

test('units', () => {
  expect([ms(9.04), ms(1234.5), mib(1536), share(0.349), share(-0.1)]).toEqual([
    '9.0 ms',
    '1235 ms',
    '1.5 MiB',
    '+0.35',
    '-0.10',
  ])
})
