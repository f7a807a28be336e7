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

test('a text that ends with a full stop makes no second one', () => {
  const { message } = new KataError('ROOTFS_ARCHIVE_INVALID', { path: '/x', reason: 'It is broken.' })
  expect(message).toContain('It is broken. ')
})

test('fields are kept as they are told', () => {
  const outer = new KataError('NETNS_INVALID', { path: '/x', reason: inner.message }, { cause: inner })
  expect(outer.fields).toEqual({ path: '/x', reason: inner.rawMessage })
})
