import { expect, test } from 'bun:test'
import { pairs, table } from './table.ts'

test('columns are aligned and lines end without blanks', () => {
  expect(
    table(
      ['NAME', 'STATUS', 'X'],
      [
        ['a', 'running', ''],
        ['longer-name', 'dead', 'y'],
      ],
    ),
  ).toBe('NAME         STATUS   X\na            running\nlonger-name  dead     y\n')
})

test('the last column is cut where the line would be too long, but not to nothing', () => {
  const rows = [['a', 'x'.repeat(40)]]
  expect(table(['NAME', 'COMMAND'], rows, 30)).toBe(`NAME  COMMAND\na     ${'x'.repeat(21)}...\n`)
  expect(table(['NAME', 'COMMAND'], rows, 46)).toContain('x'.repeat(40))
  expect(table(['NAME', 'COMMAND'], rows, 5)).toContain(`${'x'.repeat(13)}...`)
  expect(table(['NAME', 'COMMAND'], rows)).toContain('x'.repeat(40))
})

test('control bytes of foreign text do not reach the terminal', () => {
  expect(table(['COMMAND'], [['\x1b[31mred\n\x07']])).toBe('COMMAND\n?[31mred??\n')
  expect(pairs([['a', 'b\u202ec\u009b']])).toBe('a  b?c?\n')
})

test('pairs are aligned', () => {
  expect(
    pairs([
      ['a', '1'],
      ['bcd', '2'],
    ]),
  ).toBe('a    1\nbcd  2\n')
  expect(pairs([])).toBe('')
})
