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
const shims = {
  runc: { rss: 1024, pss: 512, private: 256 },
  'kata-ts': { rss: 2048, pss: 1024, private: 512 },
}

test('a column for each number of sandboxes, with the sum over the parts', () => {
  const { tables, notes } = report({ guestMiB: 256, steps: [step(1, 1024, 1000), step(5, 512, 1500)], shims })
  expect(tables[0]!.header).toEqual(['PSS of one sandbox', 'at 1', 'at 5'])
  expect(tables[0]!.rows.at(-1)).toEqual(['sum', '6.0 MiB', '3.0 MiB'])
  expect(tables[2]!.rows.at(-1)).toEqual(['of the first', '1.00', '1.50'])
  expect(tables[3]!.rows.at(-1)).toEqual(['kata-ts', '2.0 MiB', '1.0 MiB', '0.5 MiB'])
  expect(notes).toEqual([])
})

test('a run that stopped early says how far it came', () => {
  const { notes } = report({ guestMiB: 256, steps: [step(1, 1, 1)], stopped: 'at 3 sandboxes …', shims })
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
