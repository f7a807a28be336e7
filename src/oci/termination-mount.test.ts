import { describe, expect, test } from 'bun:test'
import { terminationMount } from './termination-mount.ts'

describe('the mount of a termination message', () => {
  const source = '/var/lib/kubelet/pods/6b1f/containers/web/0a1b2c3d'
  const mount = { type: 'bind', source, destination: '/dev/termination-log', options: ['rbind', 'rw'] }
  const found = (change: object, annotations = {}) =>
    terminationMount({
      annotations,
      mounts: [
        { ...mount, source: '/etc' },
        { ...mount, ...change },
      ],
    })?.source

  test('is known by the place of the kubelet’s file, wherever it is in the container', () => {
    expect(found({})).toBe(source)
    expect(found({ destination: '/tmp/my-log' })).toBe(source)
    expect(found({}, { 'io.kubernetes.cri.sandbox-uid': '6b1f' })).toBe(source)
  })

  test.each([
    ['a volume', { source: '/var/lib/kubelet/pods/6b1f/volumes/kubernetes.io~empty-dir/0a1b2c3d' }, {}],
    ['another pod’s', {}, { 'io.kubernetes.cri.sandbox-uid': '7c2a' }],
    ['one that the container only reads', { options: ['rbind', 'ro'] }, {}],
    ['one that it only reads, with all below', { options: ['rbind', 'rro'] }, {}],
    ['what is no bind', { type: 'tmpfs', options: [] }, {}],
  ])('is not %s', (_, change, annotations) => {
    expect(found(change, annotations)).toBeUndefined()
  })
})
