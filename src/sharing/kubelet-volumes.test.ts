import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { nameUser } from '../linux/acl.double.ts'
import { isKubeletVolume } from './kubelet-volumes.ts'

/** The mount that has the kubelet's directory. Its root need not be `/` (btrfs). */
const hosts = { id: '1', root: '/@root', point: '/', flags: [], type: 'btrfs', options: '' }

let kubelet: string
let pods: string
beforeAll(() => {
  kubelet = mkdtempSync('/tmp/kata-ts-kubelet-')
  pods = `${kubelet}/pods`
  mkdirSync(pods)
  chmodSync(pods, 0o750)
})
afterAll(() => rmSync(kubelet, { recursive: true }))

test.each([
  ['an emptyDir', '/uid/volumes/kubernetes.io~empty-dir/scratch', true],
  ['what lies in one', '/uid/volumes/kubernetes.io~empty-dir/scratch/pgdata', true],
  ['a volume of a CSI driver', '/uid/volumes/kubernetes.io~csi/pvc-1/mount', true],
  ['a local volume, which is mounted from elsewhere', '/uid/volumes/kubernetes.io~local-volume/disk', false],
  ['what a subPath takes of a volume, perhaps of a hostPath', '/uid/volume-subpaths/host/main/0', false],
  ['a directory of that name further below', '/uid/volume-subpaths/host/volumes/kubernetes.io~csi/x', false],
  ['another file of the pod', '/uid/etc-hosts', false],
  ['the directory of all pods', '', false],
])('%s is one: %s is %p', (_, below, expected) => {
  expect(isKubeletVolume(`${pods}${below}`, kubelet, hosts)).toBe(expected)
})

test('a directory that only begins like it is none', () => {
  expect(isKubeletVolume(`${pods}-not/uid/volumes/kubernetes.io~empty-dir/scratch`, kubelet, hosts)).toBe(
    false,
  )
  const asLong = pods.replace('/tmp/', '/srv/')
  expect(isKubeletVolume(`${asLong}/uid/volumes/kubernetes.io~empty-dir/scratch`, kubelet, hosts)).toBe(false)
})

test('none is one where other users may enter the directory', () => {
  chmodSync(pods, 0o755)
  try {
    expect(isKubeletVolume(`${pods}/uid/volumes/kubernetes.io~empty-dir/scratch`, kubelet, hosts)).toBe(false)
  } finally {
    chmodSync(pods, 0o750)
  }
})

test.skipIf(process.getuid?.() !== 0)('none is one where another user or group owns the directory', () => {
  const [user, group] = [[1000, 0] as const, [0, 1000] as const]
  try {
    for (const [uid, gid] of [user, group]) {
      chownSync(pods, uid, gid)
      expect(isKubeletVolume(`${pods}/uid/volumes/kubernetes.io~empty-dir/scratch`, kubelet, hosts)).toBe(
        false,
      )
    }
    // The group may not enter.
    chmodSync(pods, 0o700)
    expect(isKubeletVolume(`${pods}/uid/volumes/kubernetes.io~empty-dir/scratch`, kubelet, hosts)).toBe(true)
  } finally {
    chownSync(pods, 0, 0)
    chmodSync(pods, 0o750)
  }
})

test.skipIf(process.getuid?.() !== 0)(
  'none is one where an access list lets a user enter the directory',
  () => {
    const volume = `${pods}/uid/volumes/kubernetes.io~empty-dir/scratch`
    nameUser(pods, 1000, 5)
    expect(isKubeletVolume(volume, kubelet, hosts)).toBe(false)
    // With an ACL, the group's bits are its mask, which limits the named user.
    chmodSync(pods, 0o700)
    expect(isKubeletVolume(volume, kubelet, hosts)).toBe(true)
  },
)

test('with another root directory the usual one is none', () => {
  const usual = '/var/lib/kubelet/pods/uid/volumes/kubernetes.io~empty-dir/scratch'
  expect(isKubeletVolume(usual, kubelet, hosts)).toBe(false)
  expect(
    isKubeletVolume(`${pods}/uid/volumes/kubernetes.io~empty-dir/scratch`, '/var/lib/kubelet', hosts),
  ).toBe(false)
})

test('a volume that a driver binds from elsewhere is none, a file system of its own is one', () => {
  const path = `${pods}/uid/volumes/kubernetes.io~csi/pvc-1/mount`
  const mount = { ...hosts, point: path }
  expect(isKubeletVolume(path, kubelet, { ...mount, root: '/' })).toBe(true)
  expect(isKubeletVolume(`${path}/pgdata`, kubelet, { ...mount, root: '/' })).toBe(true)
  expect(isKubeletVolume(path, kubelet, { ...mount, root: '/srv/driver/pvc-1' })).toBe(false)
  expect(isKubeletVolume(`${path}/pgdata`, kubelet, { ...mount, root: '/srv/driver/pvc-1' })).toBe(false)
  // NFS mounts do not tell which directory they show.
  expect(isKubeletVolume(path, kubelet, { ...mount, root: '/', type: 'nfs4' })).toBe(false)
  expect(isKubeletVolume(path, kubelet, { ...hosts, point: kubelet, root: '/data/kubelet' })).toBe(true)
  expect(isKubeletVolume(path, kubelet, undefined)).toBe(false)
})
