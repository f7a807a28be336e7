import { expect, test } from 'bun:test'
import { plainJson, plainText } from './plain-text.ts'

/** CSI in C0 and in C1, a right-to-left override, an isolate, an Arabic mark, a line separator. */
const rude = 'a\u001b[31m\u009b2J\u202e\u2066\u061c\u2028\nz\u007f'

test('what steers a terminal or turns a text around is taken out, and the rest stays', () => {
  expect(plainText(rude)).toBe('a [31m 2J     z ')
  expect(plainText(rude, 3)).toBe('a [')
  expect(plainText('a\tb', undefined, '?')).toBe('a?b')
  expect(plainText('Grüße, 日本語, עברית, 👩‍👩‍👧')).toBe('Grüße, 日本語, עברית, 👩‍👩‍👧')
})

test('JSON means the same, and has nothing in it that steers a terminal', () => {
  const value = { [rude]: [rude, 'עברית'] }
  for (const indent of [undefined, 2]) {
    const json = plainJson(value, indent)
    expect(JSON.parse(json)).toEqual(value)
    expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/u)
  }
  expect(plainJson('\u009b')).toBe('"\\u009b"')
})
