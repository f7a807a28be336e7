import { expect, test } from 'bun:test'
import { resolveGroup, resolveRoot, resolveUser } from './container-user.ts'

const files = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:/bin/sh\n',
  group: 'root:x:0:\nusers:x:100:\naudio:x:29:bob,ann\nwheel:x:10:ann\n',
}

test('numbers need no account', () => {
  expect(resolveUser('4242', {})).toEqual({ uid: 4242, gid: 0, additionalGids: [0] })
  expect(resolveUser('4242:17', {})).toEqual({ uid: 4242, gid: 17, additionalGids: [17] })
})

test('a name brings its group and supplementary groups', () => {
  expect(resolveUser('ann', files)).toEqual({ uid: 1000, gid: 100, additionalGids: [100, 29, 10] })
  expect(resolveUser('1000', files)).toEqual({ uid: 1000, gid: 100, additionalGids: [100, 29, 10] })
})

test('root has the groups that the image gives him, and is the user 0 whatever he is called', () => {
  const passwd = '0:x:1000:100::/:/bin/sh\ntoor:x:0:0:root:/root:/bin/sh\n'
  const group = 'root:x:0:toor\nbin:x:1:toor,root\ndisk:x:6:ann,toor\nwheel:x:10:0\n'
  expect(resolveRoot({ passwd, group })).toEqual({ uid: 0, gid: 0, additionalGids: [0, 1, 6] })
  expect(resolveRoot({})).toEqual({ uid: 0, gid: 0, additionalGids: [0] })
})

test('an explicit group replaces them, and an empty one, as of a variable that nobody has set, is none', () => {
  expect(resolveUser('ann:audio', files)).toEqual({ uid: 1000, gid: 29, additionalGids: [29] })
  expect(resolveUser('ann:', files)).toEqual(resolveUser('ann', files))
  expect(resolveUser('4242:', files)).toEqual(resolveUser('4242', files))
})

test.each(['nobody-here', '', ':', ':1', '-1', '4294967295', '1:nogroup', '99999999999'])(
  'refuses %p',
  (text) => {
    expect(() => resolveUser(text, files)).toThrow(/^\[USER_UNKNOWN\]/)
  },
)

const named = ['1000', '01000', '+1000', '-1', '99999999999', '4294967295']
/** Names that look like numbers, all of them root's. */
const disguised = {
  passwd: named.map((name) => `${name}:x:0:0::/:/bin/sh\n`).join(''),
  group: named.map((name) => `${name}:x:0:${name}\n`).join(''),
}

test('a number is never a name of the image', () => {
  expect(resolveUser('1000', disguised)).toEqual({ uid: 1000, gid: 0, additionalGids: [0] })
  expect(resolveUser('01000:1000', disguised)).toEqual({ uid: 1000, gid: 1000, additionalGids: [1000] })
  expect(resolveGroup('01000', '01000', disguised)).toBe(1000)
  const passwd = `${disguised.passwd}ann:x:01000:100::/:/bin/sh\n`
  expect(resolveUser('1000', { passwd })).toEqual({ uid: 1000, gid: 100, additionalGids: [100] })
})

test.each(named.slice(2))('%p is no number of a user or group, and no name either', (text) => {
  for (const asked of [text, `7:${text}`])
    expect(() => resolveUser(asked, disguised)).toThrow(/^\[USER_UNKNOWN\]/)
  expect(() => resolveGroup(text, text, disguised)).toThrow(/^\[USER_UNKNOWN\]/)
})
