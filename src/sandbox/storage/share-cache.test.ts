import { expect, test } from 'bun:test'
import type { OciSpec } from '../../oci/spec.ts'
import { guardWritable } from '../../sharing/pod-share.ts'
import { firstShareCache } from './share-cache.ts'

const isGuarded = guardWritable(['/usr/lib'], '/var/lib/kubelet')
const mounts = (source: string, ...options: string[]): OciSpec => ({
  mounts: [{ destination: '/x', type: 'bind', source, options }],
})
const rootfs = [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/l'] }]
const pod: OciSpec = { annotations: { 'io.kubernetes.cri.container-type': 'sandbox' } }

test.each<[string, OciSpec, 'auto' | 'always']>([
  ['a root file system alone', {}, 'always'],
  ['volumes of the second share beside it', mounts('/usr', 'rbind'), 'always'],
  ['the guest’s own kernel', mounts('/proc', 'bind'), 'always'],
  ['a volume that is only read, and that the host may change', mounts('/usr', 'rbind', 'ro'), 'auto'],
  ['a writable volume that the first share serves', mounts('/usr/lib', 'rbind'), 'auto'],
  ['a source that is not there, which the mounting names', mounts('/none/such', 'rbind'), 'auto'],
  ['a pod, of whose containers nothing is known', pod, 'auto'],
])('under auto: %s', (_, spec, cache) => {
  expect(firstShareCache('auto', { spec, id: 'c', rootfs }, isGuarded)).toBe(cache)
})

test('where there is no second share, a volume is in the first', () => {
  expect(firstShareCache('auto', { spec: mounts('/usr', 'rbind'), id: 'c', rootfs }, () => false)).toBe(
    'auto',
  )
})

test.each(['never', 'metadata', 'always'] as const)('%s is taken at its word', (cache) => {
  expect(firstShareCache(cache, { spec: {}, id: 'c', rootfs }, isGuarded)).toBe(cache)
})

test('a root file system that the host has mounted, as Docker has, may be changed there', () => {
  expect(firstShareCache('auto', { spec: {}, id: 'c', rootfs: [] }, isGuarded)).toBe('auto')
})
