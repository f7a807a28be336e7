import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseLabels, readLabels } from './labels.ts'

test('the last value of a label counts, and one without a value is empty', () => {
  expect(parseLabels(['tier=web', 'a', 'note=x = y', 'tier=db', '__proto__=1'])).toEqual(
    JSON.parse('{"tier":"db","a":"","note":"x = y","__proto__":"1"}'),
  )
})

test.each(['', '=x', ' a=b', 'a =b', 'a=\0', `a=${'x'.repeat(1 << 16)}`])('%p is refused', (text) => {
  expect(() => parseLabels([text])).toThrow('[OPTION_INVALID] --label')
})

test('there are at most 1000 labels', () => {
  const labels = (count: number) => Array.from({ length: count }, (_, index) => `l${index}`)
  expect(Object.keys(parseLabels(labels(1000)))).toHaveLength(1000)
  expect(() => parseLabels(labels(1001))).toThrow('[OPTION_INVALID] --label')
})

test('labels of files come first, and a file without end is not read', () => {
  const directory = mkdtempSync(`${tmpdir()}/labels-`)
  const file = `${directory}/labels`
  writeFileSync(file, '# note\n\n tier=web\nowner=alice\n')
  expect(readLabels(['tier=db'], [file])).toEqual({ tier: 'db', owner: 'alice' })
  writeFileSync(`${directory}/large`, '\n'.repeat(600_000))
  expect(() => readLabels([], Array(2).fill(`${directory}/large`))).toThrow('together')
  truncateSync(file, 8 * 2 ** 40)
  expect(() => readLabels([], [file])).toThrow('files of at most 1048576 bytes together')
  rmSync(directory, { recursive: true })
})
