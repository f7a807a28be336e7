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
