import { expect, test } from 'bun:test'
import { type DensityStep, defaultSteps, parts, readSteps, report } from './density.ts'
import { freeMemoryMiB } from './free-memory.ts'
import { summarize } from './stats.ts'

const step = (sandboxes: number, pss: number, next: number): DensityStep => ({
  sandboxes,
  memory: Object.fromEntries(
    parts.map((part) => [part, { rss: 2048, pss, private: 1024 }]),
  ) as DensityStep['memory'],
  nextStart: summarize([next]),
})

test('a column for each number of sandboxes, with the sum over the parts', () => {
  const { tables, notes } = report({ guestMiB: 256, steps: [step(1, 1024, 1000), step(5, 512, 1500)] })
  expect(tables[0]!.header).toEqual(['PSS of one sandbox', 'at 1', 'at 5'])
  expect(tables[0]!.rows.at(-1)).toEqual(['sum', '6.0 MiB', '3.0 MiB'])
  expect(tables[2]!.rows.at(-1)).toEqual(['of the first', '1.00', '1.50'])
  expect(notes).toEqual([])
})

test('clones have a table of their own', () => {
  const clones = { sandboxes: 20, memory: step(20, 512, 0).memory }
  const { tables } = report({ guestMiB: 256, steps: [step(1, 1024, 1000)], clones })
  expect(tables[3]!.header[0]).toBe('one clone of 20, without a share')
  expect(tables[3]!.rows.at(-1)).toEqual(['sum', '3.0 MiB', '6.0 MiB'])
})

test('a run that stopped early says how far it came', () => {
  const { notes } = report({ guestMiB: 256, steps: [step(1, 1, 1)], stopped: 'at 3 sandboxes …' })
  expect(notes).toEqual(['Stopped early: at 3 sandboxes ….'])
})

test('steps rise from one', () => {
  expect(readSteps('')).toEqual(defaultSteps)
  expect(readSteps('1,3')).toEqual([1, 3])
  for (const wrong of ['0', '2,1', 'a', '1,,2', '1.5']) expect(() => readSteps(wrong)).toThrow('--sandboxes')
})

test('free memory is what the kernel calls available', () => {
  expect(freeMemoryMiB('MemTotal:  4096 kB\nMemFree: 5 kB\nMemAvailable:    2049 kB\n')).toBe(2)
  expect(() => freeMemoryMiB('MemFree: 5 kB\n')).toThrow('MemAvailable')
})
