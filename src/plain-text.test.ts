import { expect, test } from 'bun:test'
import { lastWords, plainJson, plainLines, plainText } from './plain-text.ts'

/** CSI in C0 and in C1, a right-to-left override, an isolate, an Arabic mark, a line separator. */
const rude = 'a\u001b[31m\u009b2J\u202e\u2066\u061c\u2028\nz\u007f'

test('what steers a terminal or turns a text around is taken out, and the rest stays', () => {
  expect(plainText(rude)).toBe('a [31m 2J     z ')
  expect(plainText(rude, 3)).toBe('a [')
  expect(plainText('a\tb', undefined, '?')).toBe('a?b')
  expect(plainText('Grüße, 日本語, עברית, 👩‍👩‍👧')).toBe('Grüße, 日本語, עברית, 👩‍👩‍👧')
})

test('lines stay lines, and nothing else steers a terminal', () => {
  expect(plainLines(rude)).toBe('a [31m 2J    \nz ')
  expect(plainLines('a\tb\r\n')).toBe('a\tb \n')
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

test('last words are the end of a text on one plain line, and words where there are none', () => {
  expect(lastWords('first\nsecond\u001b[31m \u202e\n')).toBe('first second [31m')
  expect(lastWords('x'.repeat(600))).toBe('x'.repeat(500))
  expect(lastWords('abcdef\n', 3)).toBe('def')
  expect(lastWords(' \n\u001b')).toBe('(it said nothing)')
  expect(lastWords('')).toBe('(it said nothing)')
})
