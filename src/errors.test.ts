import { expect, test } from 'bun:test'
import { causesOf, describeError, KataError } from './errors.ts'

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

test('the causes of an error, nearest first', () => {
  const middle = new Error('middle', { cause: inner })
  expect(causesOf(new Error('outer', { cause: middle }))).toEqual(['middle', inner.message])
  expect(causesOf('text')).toEqual([])
})
