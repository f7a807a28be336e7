import { expect, test } from 'bun:test'
import { compare, summarize } from './stats.ts'

test('median, best and ninth of ten', () => {
  expect(summarize([30, 10, 20])).toEqual({ count: 3, median: 20, min: 10, p90: 30 })
  expect(summarize([4, 1, 3, 2])).toEqual({ count: 4, median: 2.5, min: 1, p90: 4 })
  const eleven = Array.from({ length: 11 }, (_, i) => i)
  expect(summarize(eleven)).toEqual({ count: 11, median: 5, min: 0, p90: 9 })
  expect(summarize([7.123])).toEqual({ count: 1, median: 7.1, min: 7.1, p90: 7.1 })
})

test('the order of the measurements is left alone', () => {
  const values = [3, 1, 2]
  summarize(values)
  expect(values).toEqual([3, 1, 2])
})

test('nothing measured is an error, not a zero', () => {
  expect(() => summarize([])).toThrow('no measurement')
})

test('what the one adds to the other', () => {
  expect(compare(summarize([1350]), summarize([1000]))).toEqual({ ratio: 1.35, added: 0.35 })
  expect(compare(summarize([900]), summarize([1000]))).toEqual({ ratio: 0.9, added: -0.1 })
})
