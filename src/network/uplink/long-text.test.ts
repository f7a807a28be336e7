import { expect, test } from 'bun:test'
import { inArguments } from './long-text.ts'

const mostBytes = 128 * 1024

test.each(['', 'short', 'a\nb'.repeat(100_000), '𐍈'.repeat(100_000)])(
  'parts of a text are arguments, and together the text',
  (text) => {
    const parts = inArguments(text)
    expect(parts.join('')).toBe(text)
    for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThan(mostBytes)
  },
)
