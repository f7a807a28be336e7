import { expect, test } from 'bun:test'
import { decodeEnd, encodeEnd } from './messages.ts'

const error = (text: string) => ({
  code: 'X',
  message: text,
  remedy: 'Try.',
  fields: { reason: text, count: 1 },
})

test('what a command told arrives with its exit code', () => {
  const told = { errors: [error('it failed')], warnings: ['slow'] }
  expect(decodeEnd(Buffer.from(encodeEnd(137, told)))).toEqual({ exitCode: 137, ...told })
  expect(decodeEnd(Buffer.alloc(0))).toBeUndefined()
})

test.each(['a', '漢', '\x01'])(
  'texts of %j without end fit into a socket, and hide neither the code nor an error',
  (character) => {
    const text = character.repeat(9999)
    const bytes = encodeEnd(3, { errors: Array(20).fill(error(text)), warnings: Array(20).fill(text) })
    // What the kernel takes by default before anybody reads (net.core.wmem_default), without its own use of that.
    expect(bytes.length).toBeLessThanOrEqual(160 * 1024)
    const end = decodeEnd(Buffer.from(bytes))
    expect(end?.exitCode).toBe(3)
    expect(end?.errors.length).toBe(8)
    expect(end?.errors[0]?.message.startsWith(character)).toBe(true)
  },
)
