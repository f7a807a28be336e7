import { expect, test } from 'bun:test'
import { emptyDirPart } from './memory-volume.ts'
import { subPathAt } from './sub-path.ts'

const podDir = '/var/lib/k0s/kubelet/pods/0a1b'

test('the place of a subPath names its pod and its volume, and may be that of an emptyDir', () => {
  const source = `${podDir}/volume-subpaths/scratch/app/3`
  expect(subPathAt(source)).toEqual({ podDir, volumeName: 'scratch' })
  const volume = `${podDir}/volumes/kubernetes.io~empty-dir/scratch`
  expect(emptyDirPart(source, '0a1b')).toEqual({ volume, volumeName: 'scratch' })
  expect(emptyDirPart(source, 'another')).toBeUndefined()
})

test.each(['volumes/kubernetes.io~csi/pv/mount', 'volume-subpaths/pv/app', 'volume-subpaths/pv/app/0/below'])(
  '%s is none',
  (path) => {
    const source = `${podDir}/${path}`
    expect([subPathAt(source), emptyDirPart(source, '0a1b')]).toEqual([undefined, undefined])
  },
)
