import { expect, test } from 'bun:test'
import { growthOf, type Reading, whatGrew } from './growth.ts'

const readings = (of: (index: number) => Partial<Reading>): Reading[] =>
  Array.from({ length: 12 }, (_, index) => ({
    at: index * 60,
    rss: 60_000,
    pss: 50_000,
    own: 40_000,
    descriptors: 30,
    threads: 5,
    cpuSeconds: index * 6,
    ...of(index),
  }))

test('waves of garbage are no growth', () => {
  const growth = growthOf(readings((index) => ({ own: 40_000 + (index % 3) * 10_000 })))!
  expect(growth).toMatchObject({ readings: 12, first: { own: 40_000 }, last: { own: 40_000 }, cpu: 0.1 })
  expect(whatGrew('shim', growth)).toEqual([])
})

test('memory, descriptors and threads that only rise are told with their figures', () => {
  const growth = growthOf(
    readings((index) => ({ own: 40_000 + index * 1000, descriptors: 30 + index, threads: 5 + index })),
  )!
  expect(growth.ownPerMinute).toBeCloseTo(1000)
  expect(whatGrew('shim', growth)).toEqual([
    'shim: own grew from 40000 to 48000',
    'shim: descriptors grew from 30 to 38',
    'shim: threads grew from 5 to 13',
  ])
})

test('memory of the first minutes is not judged', () => {
  const growth = growthOf(readings((index) => ({ at: index * 10, own: 40_000 + index * 1000 })))!
  expect(whatGrew('shim', growth)).toEqual([])
})

test('descriptors may be a few more, as connections are', () => {
  const grown = (to: number) => growthOf(readings((index) => ({ descriptors: index < 6 ? 30 : to })))!
  expect(whatGrew('VMM', grown(34))).toEqual([])
  expect(whatGrew('VMM', grown(35))).toEqual(['VMM: descriptors grew from 30 to 35'])
})

test('too few readings say nothing', () => {
  expect(growthOf(readings(() => ({})).slice(0, 8))).toBeUndefined()
})
