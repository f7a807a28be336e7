import { expect, test } from 'bun:test'
import { parseLabels } from './labels.ts'

test('the last value of a label counts, and one without a value is empty', () => {
  expect(parseLabels(['tier=web', 'a', 'note=x = y', 'tier=db', '__proto__=1'])).toEqual(
    JSON.parse('{"tier":"db","a":"","note":"x = y","__proto__":"1"}'),
  )
})

test.each(['', '=x', ' a=b', 'a =b', 'a=\0', `a=${'x'.repeat(1 << 16)}`])('%p is refused', (text) => {
  expect(() => parseLabels([text])).toThrow('[OPTION_INVALID] --label')
})
