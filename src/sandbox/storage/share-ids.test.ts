import { expect, test } from 'bun:test'
import { processIds } from '../../oci/process-ids.ts'
import { shareIdMap } from '../../sharing/share-id-map.ts'
import { requireSharedIds } from './share-ids.ts'

const map = shareIdMap({ first: 0x70000000, count: 65535 }, [3_000_000_000])
const withUser = (user: object) => () => requireSharedIds({ process: { user } }, 'c1', map)

test.each([
  ['root', { uid: 0, gid: 0 }],
  ['none', {}],
  ["Kubernetes' pause image", { uid: 65535, gid: 65535 }],
  ["OpenShift's", { uid: 1_000_660_000, gid: 0, additionalGids: [1_000_660_000] }],
  ['the highest of Kubernetes', { uid: 2_147_483_647, gid: 2_147_483_647 }],
  ['the last of all', { uid: 4_294_967_294, gid: 4_294_967_294, additionalGids: [4_294_967_294] }],
  ['one that was known', { uid: 3_000_000_000, gid: 3_000_000_000 }],
])('%s has a place', (_, user) => expect(withUser(user)).not.toThrow())

test.each([
  ['user', { uid: 3_000_000_001, gid: 0 }],
  ['group', { uid: 0, gid: 3_000_000_001 }],
  ['supplementary group', { uid: 1, gid: 1, additionalGids: [5, 3_000_000_001] }],
])('a %s that was not known has none', (_, user) =>
  expect(withUser(user)).toThrow(/^\[SHARE_ID_BEYOND\].*c1.*3000000001/),
)

test('a spec without a process asks for nothing', () => {
  expect(() => requireSharedIds({}, 'c1', map)).not.toThrow()
  expect(processIds({})).toEqual([0, 0])
})
