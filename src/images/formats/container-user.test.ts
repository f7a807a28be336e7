import { expect, test } from 'bun:test'
import { resolveUser } from './container-user.ts'

const files = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:/bin/sh\n',
  group: 'root:x:0:\nusers:x:100:\naudio:x:29:bob,ann\nwheel:x:10:ann\n',
}

test('numbers need no account', () => {
  expect(resolveUser('4242', {})).toEqual({ uid: 4242, gid: 0, additionalGids: [] })
  expect(resolveUser('4242:17', {})).toEqual({ uid: 4242, gid: 17, additionalGids: [] })
})

test('a name brings its group and supplementary groups', () => {
  expect(resolveUser('ann', files)).toEqual({ uid: 1000, gid: 100, additionalGids: [29, 10] })
  expect(resolveUser('1000', files)).toEqual({ uid: 1000, gid: 100, additionalGids: [29, 10] })
})

test('an explicit group replaces them', () => {
  expect(resolveUser('ann:audio', files)).toEqual({ uid: 1000, gid: 29, additionalGids: [] })
})

test.each(['nobody-here', '', ':1', '-1', '4294967295', '1:nogroup', '99999999999'])('refuses %p', (text) => {
  expect(() => resolveUser(text, files)).toThrow(/^\[USER_UNKNOWN\]/)
})
