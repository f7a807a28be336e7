import { expect, test } from 'bun:test'
import { parseMoment } from './moment.ts'

const now = Date.parse('2026-03-01T12:00:00Z')

test.each([
  ['10m', '2026-03-01T11:50:00.000Z'],
  ['1h30m', '2026-03-01T10:30:00.000Z'],
  ['1.5s', '2026-03-01T11:59:58.500Z'],
  ['250ms', '2026-03-01T11:59:59.750Z'],
  ['1772366400', '2026-03-01T12:00:00.000Z'],
  ['1772366400.5', '2026-03-01T12:00:00.500Z'],
  ['2026-02-03T04:05:06Z', '2026-02-03T04:05:06.000Z'],
  ['2026-02-03T04:05:06.789+01:00', '2026-02-03T03:05:06.789Z'],
])('%s is %s', (text, moment) => {
  expect(new Date(parseMoment(text, '--since', now)).toISOString()).toBe(moment)
})

test('a day begins at midnight of this host', () => {
  expect(parseMoment('2026-02-03', '--since')).toBe(new Date(2026, 1, 3).getTime())
})

test.each(['', 'soon', '5 m', '-1m', '2026-13-01', '2026-02-03Tnoon', '1d'])('%j is refused', (text) => {
  expect(() => parseMoment(text, '--since')).toThrow('[OPTION_INVALID] --since')
})
