import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { addDirectVolume } from '../../devices/direct-volume.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciLinux, OciSpec } from '../../oci/spec.ts'
import { deviceUses, imageFileOption, volumeUses } from './disk-uses.ts'

const isRoot = process.getuid?.() === 0
const disk = { path: '/dev/xvda', type: 'b', major: 8, minor: 16 }
const fuse = { path: '/dev/fuse', type: 'c', major: 10, minor: 229 }
const usesOf = (linux: OciLinux) => deviceUses({ linux }, deviceRights({ linux }))

test('block devices are read-only unless a rule lets the container write', () => {
  const withRule = (access: string) =>
    usesOf({
      devices: [disk, fuse],
      resources: { devices: [{ allow: false }, { ...disk, allow: true, access }] },
    })
  const numbers = { major: 8, minor: 16 }
  const rule = { ...numbers, allow: true, type: 'b' }
  expect(withRule('rwm')).toEqual([
    { what: 'device', path: '/dev/xvda', numbers, readonly: false, rule: { ...rule, access: 'rwm' } },
  ])
  expect(withRule('r')).toMatchObject([{ readonly: true, rule: { ...rule, access: 'r' } }])
  expect(withRule('m')).toMatchObject([{ readonly: true, rule: { ...rule, access: 'm' } }])
})

test('a block device that no rule allows is the container’s, who may do nothing with it', () => {
  const uses = usesOf({ devices: [disk], resources: { devices: [{ allow: false }] } })
  const rule = { allow: false, type: 'b', major: 8, minor: 16, access: 'rwm' }
  expect(uses).toMatchObject([{ path: '/dev/xvda', readonly: true, rule }])
})

test.skipIf(!isRoot)('a privileged container’s list of the host’s devices is not what it asked for', () => {
  const everything = { devices: [{ allow: true, access: 'rwm' }] }
  const loop = { path: '/dev/loop0', type: 'b', major: 7, minor: 0 }
  const asked = { ...loop, path: '/dev/xvdb' }
  // As device-mapper makes them where udev does not: a node beside that with the kernel's name.
  const other = join(mkdtempSync('/tmp/kata-ts-node-'), 'volume')
  Bun.spawnSync(['mknod', other, 'b', '7', '0'])
  const beside = { ...loop, path: other }
  const absent = { path: '/dev/sdzz', type: 'b', major: 8, minor: 1040 }
  const uses = usesOf({ devices: [loop, beside, absent, asked], resources: everything })
  expect(uses.map(({ path }) => path)).toEqual(['/dev/xvdb'])
  rmSync(dirname(other), { recursive: true })
})

test.skipIf(!isRoot)(
  'a privileged container without the host’s devices asks for each of its list, whatever its name',
  () => {
    const spec: OciSpec = {
      process: {
        capabilities: { bounding: ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD'] },
      },
      mounts: [{ destination: '/sys', type: 'sysfs' }],
      linux: {
        devices: [{ path: '/dev/loop0', type: 'b', major: 7, minor: 0 }],
        resources: {
          devices: [
            { allow: false, access: 'rwm' },
            { allow: true, type: 'b', major: 7, minor: 0, access: 'mrw' },
          ],
        },
      },
    }
    expect(deviceUses(spec, deviceRights(spec)).map(({ path }) => path)).toEqual(['/dev/loop0'])
  },
)

test('a device of the host’s list is asked for where a rule names it', () => {
  const spare = { path: '/dev/sdzz', type: 'b', major: 8, minor: 1040 }
  const named = { allow: true, type: 'b', major: 8, minor: 1040, access: 'rm' }
  const usedWith = (rules: DeviceRule[]) =>
    usesOf({ devices: [spare], resources: { devices: [{ allow: true, access: 'rwm' }, ...rules] } })
  expect(usedWith([])).toEqual([])
  expect(usedWith([{ ...named, allow: false, access: 'w' }])).toEqual([])
  expect(usedWith([named]).map(({ path }) => path)).toEqual(['/dev/sdzz'])
})

test('mounts of a disk’s file system, and of disk images, are volumes; others are not', () => {
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/data', type: 'ext4', source: '/dev/sdb1', options: ['ro', 'noatime'] },
    { destination: '/image', type: 'ext4', source: '/srv/image', options: ['rw', imageFileOption] },
    { destination: '/dev/xvdb', type: 'bind', source: '/srv/image', options: ['bind', imageFileOption] },
    { destination: '/etc/hosts', type: 'bind', source: '/etc/hosts', options: ['rbind'] },
    { destination: '/gone', type: 'bind', source: '/nonexistent', options: ['rbind'] },
  ]
  expect(volumeUses({ mounts })).toMatchObject([
    { index: 1, source: '/dev/sdb1', fsType: 'ext4', readonly: true },
    { index: 2, source: '/srv/image', fsType: 'ext4', readonly: false, kind: 'file' },
    { index: 3, source: '/srv/image', readonly: false, kind: 'file' },
  ])
})

test('a disk that is to be read-only with all below it is read-only, in a word that its file system knows', () => {
  const options = ['rbind', 'rro', 'noatime']
  const mounts = [
    { destination: '/data', type: 'ext4', source: '/dev/sdb1', options },
    { destination: '/dev/xvdb', type: 'bind', source: '/srv/image', options: [...options, imageFileOption] },
  ]
  const uses = volumeUses({ mounts })
  expect(uses.map(({ readonly }) => readonly)).toEqual([true, true])
  for (const use of uses) expect(use.options.slice(0, 3)).toEqual(['rbind', 'ro', 'noatime'])
})

describe('a direct-assigned volume', () => {
  const podDir = '/var/lib/kubelet/pods/0a1b'
  const volume = `${podDir}/volumes/kubernetes.io~csi/pvc-1/mount`
  /** What is mounted at `source`, where the volume has a note with these options. */
  const usesAt = (source: string, ofMount: string[], ofNote: string[] = []) => {
    const notes = mkdtempSync('/tmp/kata-ts-notes-')
    const note = { 'volume-type': 'block', device: '/dev/sdb', fstype: 'ext4', options: ofNote }
    try {
      addDirectVolume(volume, JSON.stringify(note), notes)
      return volumeUses({ mounts: [{ destination: '/data', type: 'bind', source, options: ofMount }] }, notes)
    } finally {
      rmSync(notes, { recursive: true })
    }
  }

  test.each([
    ['neither the note nor the mount says so', ['rw'], ['noatime'], false],
    ['the mount alone says so', ['ro'], ['rw'], true],
    ['the mount says so for all below it', ['rro'], ['rw'], true],
    ['the note alone says so', ['rw'], ['ro'], true],
  ])('is read-only where %s', (_, ofMount, ofNote, readonly) => {
    const [use] = usesAt(volume, ['rbind', ...ofMount], ofNote)
    expect(use).toMatchObject({ source: '/dev/sdb', fsType: 'ext4', readonly })
    expect(use?.options.filter((word) => ['ro', 'rw'].includes(word))).toEqual([readonly ? 'ro' : 'rw'])
  })

  test('is not shown in parts, which the host would have beside it', () => {
    const part = `${podDir}/volume-subpaths/pvc-1/app/0`
    expect(() => usesAt(part, ['rbind'])).toThrow(
      `[DIRECT_VOLUME_SUBPATH] ${part} is a part (subPath) of the direct volume ${volume}, whose file system only the guest mounts`,
    )
    expect(usesAt(`${podDir}/volume-subpaths/pvc-2/app/0`, ['rbind'])).toEqual([])
  })
})
