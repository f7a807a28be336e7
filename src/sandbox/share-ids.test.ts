import { expect, test } from 'bun:test'
import { requireSharedIds } from './share-ids.ts'

const withUser = (user: object) => () => requireSharedIds({ process: { user } }, 'c1')

test.each([
  ['the highest', { uid: 65534, gid: 65534, additionalGids: [0, 65534] }],
  ['root', { uid: 0, gid: 0 }],
  ['none', {}],
])('%s has a place', (_, user) => expect(withUser(user)).not.toThrow())

test.each([
  ['user', { uid: 65535, gid: 0 }],
  ['group', { uid: 0, gid: 1_000_680_000 }],
  ['supplementary group', { uid: 1, gid: 1, additionalGids: [5, 4_294_967_294] }],
])('a %s beyond has none', (_, user) => expect(withUser(user)).toThrow(/^\[SHARE_ID_BEYOND\].*c1/))

test('a spec without a process asks for nothing', () =>
  expect(() => requireSharedIds({}, 'c1')).not.toThrow())
