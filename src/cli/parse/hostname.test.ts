import { expect, test } from 'bun:test'
import { hostnameOf, parseHostname } from './hostname.ts'

test.each(['db', 'DB-1', 'db_1.example.com', 'x'.repeat(64)])('%p', (name) => {
  expect(parseHostname(name)).toBe(name)
})

test.each(['', ' ', 'a\nb', '\u00fcnicode', '-a', 'a.', 'x'.repeat(65)])('%j is refused', (name) => {
  expect(() => parseHostname(name)).toThrow('[OPTION_INVALID] --hostname')
})

test('a name that is too long for a host is cut', () => {
  expect(hostnameOf('calm-otter-3fa9')).toBe('calm-otter-3fa9')
  expect(hostnameOf(`${'x'.repeat(63)}-${'y'.repeat(12)}`)).toBe('x'.repeat(63))
})
