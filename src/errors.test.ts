import { expect, test } from 'bun:test'
import { describeError, KataError } from './errors.ts'

const inner = new KataError('SYSCALL_FAILED', { call: 'setns', errno: 'EINVAL', hint: 'ask.' })

test('a nested error gives its sentence only, so that there is one code and one remedy', () => {
  for (const reason of [describeError(inner), String(inner)]) {
    const outer = new KataError('NETNS_INVALID', { path: '/x', reason }, { cause: inner })
    expect(outer.message).toContain('setns failed: EINVAL. ')
    expect(outer.message.match(/\[[A-Z_]+\]/g)).toEqual(['[NETNS_INVALID]'])
    expect(outer.message).not.toContain('See the named call')
  }
})

test('so does one that another error tells as its own text', () => {
  const late = new Error(inner.message, { cause: inner })
  for (const reason of [describeError(late), String(late)]) {
    const outer = new KataError('TEMPLATE_UNUSABLE', { reason }, { cause: late })
    expect(outer.fields.reason).toEndWith(inner.rawMessage)
    expect(outer.message.match(/\[[A-Z_]+\]/g)).toEqual(['[TEMPLATE_UNUSABLE]'])
  }
})

test('a text that ends with a full stop makes no second one', () => {
  const { message } = new KataError('ROOTFS_ARCHIVE_INVALID', { path: '/x', reason: 'It is broken.' })
  expect(message).toContain('It is broken. ')
})

test('fields are kept as they are told', () => {
  const outer = new KataError('NETNS_INVALID', { path: '/x', reason: inner.message }, { cause: inner })
  expect(outer.fields).toEqual({ path: '/x', reason: inner.rawMessage })
})

test('a nested error is told as it is, whatever is in it', () => {
  const cause = new KataError('COMMAND_NOT_FOUND', { command: "$'$&", reason: 'none' })
  const outer = new KataError('NETNS_INVALID', { path: '/x', reason: cause.message }, { cause })
  expect(outer.message).toContain("$'$&")
  expect(outer.fields.reason).toBe(cause.rawMessage)
})

test('no text of an image or a guest steers a terminal, and lines stay lines', () => {
  const rude = 'a\u001b[2J\u009b2J\u202e\r\u2028b'
  const plain = new KataError('COMMAND_NOT_FOUND', { command: rude, reason: '' })
  const quoted = new KataError('OPTION_INVALID', { option: rude, value: rude, allowed: `1\n\t2${rude}` })
  for (const { message, rawMessage, remedy } of [plain, quoted])
    expect(message + rawMessage + remedy).not.toMatch(/[^\P{Cc}\n\t]|[\p{Bidi_Control}\u2028]/u)
  expect(plain.rawMessage).toContain('a [2J 2J   b')
  expect(quoted.message).toContain('1\n\t2a [2J')
  expect(plain.fields).toEqual({ command: rude, reason: '' })
})
