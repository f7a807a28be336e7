import { expect, test } from 'bun:test'
import { hostWideName, memberNamespace } from './member-namespace.ts'

test('a name that two users have chosen is two names on the host, and containerd’s ids stay what they are', () => {
  const names = [1000, 1001].map((uid) => hostWideName(memberNamespace(uid), 'web'))
  expect(names).toEqual(['uid-1000:web', 'uid-1001:web'])
  expect(hostWideName('default', 'web')).toBe('web')
  expect(hostWideName('k8s.io', 'web')).toBe('web')
})
