import { expect, test } from 'bun:test'
import { differencesText } from './differences.ts'

test('a difference is told with its thread, and threads that differ alike are told once', () => {
  const row = (tid: number, actual: string) => ({ field: 'uid', tid, expected: '1', actual })
  expect(differencesText([row(7, '0'), { field: 'cwd', expected: '/', actual: '/tmp' }])).toBe(
    'uid of thread 7 is "0", expected "1"; cwd is "/tmp", expected "/"',
  )
  expect(differencesText([row(7, '0'), row(8, '2'), row(9, '0')])).toBe(
    'uid of 2 threads is "0", expected "1"; uid of thread 8 is "2", expected "1"',
  )
})

test('a process that differs in everything fills no log', () => {
  const rows = Array.from({ length: 5000 }, (_, index) => ({
    field: `descriptors.${index}`,
    expected: 'none',
    actual: 'x'.repeat(100_000),
  }))
  const text = differencesText(rows)
  expect(text.length).toBeLessThan(32_000)
  expect(text).toEndWith('; and 4980 more')
})
