import { describe, expect, test } from 'bun:test'
import type { RootfsMount } from '../../sharing/share.ts'
import { guestPlaces } from './bring-layers.ts'
import { layeredRootfs } from './layered-rootfs.ts'

const places = guestPlaces('web')
const at = (index: number) => places.layer(index)
const erofs = (name: string, ...more: string[]): RootfsMount => ({
  type: 'erofs',
  source: `/snapshots/${name}/layer.erofs`,
  options: ['ro', 'loop', ...more],
})
const rwLayer: RootfsMount = { type: 'ext4', source: '/snapshots/3/rwlayer.img', options: ['rw', 'loop'] }
const overlay = (...options: string[]): RootfsMount => ({
  type: 'format/mkdir/overlay',
  source: 'overlay',
  options,
})
const lower = 'lowerdir={{ mount 0 }}'
const read = (...mounts: RootfsMount[]) => layeredRootfs(mounts, 'web', places)

const blockUpper = [
  'X-containerd.mkdir.path={{ mount 0 }}/upper:0755',
  'X-containerd.mkdir.path={{ mount 0 }}/work:0755',
  'workdir={{ mount 0 }}/work',
  'upperdir={{ mount 0 }}/upper',
]

describe('what containerd’s erofs snapshotter hands over', () => {
  test('layers below a disk for what is written', () => {
    const mounts = [rwLayer, erofs('2'), erofs('1')]
    expect(read(...mounts, overlay(...blockUpper, 'lowerdir={{ overlay 1 2 }}', 'index=off'))).toEqual({
      disks: mounts.map((mount, index) => ({ ...mount, guestPath: at(index), devices: [] })),
      overlay: [
        `lowerdir=${at(1)}:${at(2)}`,
        `upperdir=${at(0)}/upper`,
        `workdir=${at(0)}/work`,
        'index=off',
      ],
    })
  })

  test('layers below a directory of the host: what is written goes to a disk in its place', () => {
    const { upper, work } = places.scratch
    expect(
      read(
        erofs('1'),
        overlay('workdir=/snapshots/3/work', 'upperdir=/snapshots/3/fs', 'lowerdir={{ mount 0 }}'),
      ),
    ).toMatchObject({
      hostUpper: '/snapshots/3/fs',
      overlay: [`lowerdir=${at(0)}`, `upperdir=${upper}`, `workdir=${work}`],
    })
  })

  test('labels of the host’s SELinux, which containerd adds to each mount, are not the guest’s', () => {
    const label = 'context="system_u:object_r:container_file_t:s0:c22,c33"'
    const mounts = [rwLayer, erofs('1', label)]
    const found = read(...mounts, overlay(...blockUpper, 'lowerdir={{ mount 1 }}', label))
    expect(found?.overlay).toEqual([`lowerdir=${at(1)}`, `upperdir=${at(0)}/upper`, `workdir=${at(0)}/work`])
  })

  test('merged layers, alone and below one that came later: their files, in the order that their table has', () => {
    const merged = {
      type: 'erofs',
      source: '/snapshots/2/fsmeta.erofs',
      options: ['ro', 'loop', 'device=/snapshots/1/layer.erofs', 'device=/snapshots/2/layer.erofs'],
    }
    const devices = ['/snapshots/1/layer.erofs', '/snapshots/2/layer.erofs']
    const alone = read(rwLayer, merged, overlay(...blockUpper, 'lowerdir={{ mount 1 }}'))
    expect(alone?.disks[1]).toEqual({ ...merged, options: ['ro', 'loop'], devices, guestPath: at(1) })
    expect(alone?.overlay[0]).toBe(`lowerdir=${at(1)}`)
    const below = read(rwLayer, erofs('3'), merged, overlay(...blockUpper, 'lowerdir={{ overlay 1 2 }}'))
    expect(below?.disks.map((disk) => disk.devices)).toEqual([[], [], devices])
    const view = read(merged, { type: 'format/bind', source: '{{ mount 0 }}', options: ['ro', 'rbind'] })
    expect([view?.disks[0]?.devices, view?.overlay]).toEqual([devices, []])
  })

  test('layers that are only read, in either order, and one alone', () => {
    const both = [erofs('2'), erofs('1')]
    expect(read(...both, overlay('lowerdir={{ overlay 0 1 }}'))?.overlay).toEqual([
      `lowerdir=${at(0)}:${at(1)}`,
    ])
    expect(read(...both, overlay('lowerdir={{ overlay 1 0 }}'))?.overlay).toEqual([
      `lowerdir=${at(1)}:${at(0)}`,
    ])
    expect(
      read(erofs('1'), { type: 'format/bind', source: '{{ mount 0 }}', options: ['ro', 'rbind'] }),
    ).toEqual({
      disks: [{ ...erofs('1'), guestPath: at(0), devices: [] }],
      overlay: [],
    })
  })

  test('a layer to be verified, merged ones alone, and one whose type says that its options are templates', () => {
    const verified = erofs('1', 'X-containerd.dmverity=/snapshots/1/layer.erofs.dmverity')
    const disk = { ...erofs('1'), guestPath: at(0), devices: [], verity: '/snapshots/1/layer.erofs.dmverity' }
    expect(read(verified)).toEqual({ disks: [disk], overlay: [] })
    expect(read(verified, overlay(lower, 'upperdir=/f', 'workdir=/w'))?.disks).toEqual([disk])
    const merged = erofs('2', 'device=/snapshots/1/layer.erofs')
    const devices = ['/snapshots/1/layer.erofs']
    for (const type of ['erofs', 'format/erofs'])
      expect(read({ ...merged, type })).toEqual({
        disks: [{ ...erofs('2'), guestPath: at(0), devices }],
        overlay: [],
      })
  })

  test('an image without layers: a directory of the disk for what is written', () => {
    const bind = { source: '{{ mount 0 }}/upper', options: [blockUpper[0]!, 'rw', 'rbind'] }
    expect(read(rwLayer, { type: 'format/mkdir/bind', ...bind })).toEqual({
      disks: [{ ...rwLayer, guestPath: at(0), devices: [] }],
      overlay: [],
      directory: `${at(0)}/upper`,
    })
  })

  test('as many layers as an image has fit into the options of one mount', () => {
    const layers = Array.from({ length: 127 }, (_, index) => erofs(`${index}`))
    const options = read(rwLayer, ...layers, overlay(...blockUpper, 'lowerdir={{ overlay 1 127 }}'))?.overlay
    expect(options?.[0]?.split(':')).toHaveLength(127)
  })
})

test.each<[string, RootfsMount[]]>([
  ['a single layer', [erofs('1')]],
  ['an overlay alone', [overlay('lowerdir=/a')]],
  ['no mount', []],
])('%s is nothing to put together', (_what, mounts) => {
  expect(read(...mounts)).toBeUndefined()
})

test.each<[string, RootfsMount[], RegExp]>([
  [
    'a file of merged layers without its directory',
    [erofs('1', 'device=layer.erofs'), overlay(lower)],
    /device=/,
  ],
  [
    'an ext4 with other files',
    [{ ...rwLayer, options: ['rw', 'device=/l'] }, erofs('1'), overlay(lower)],
    /device=/,
  ],
  [
    'an ext4 to be verified',
    [{ ...rwLayer, options: ['rw', 'X-containerd.dmverity=/m'] }, erofs('1'), overlay(lower)],
    /dmverity=/,
  ],
  ['a layer alone, with an option that is not known', [erofs('1', 'X-containerd.new=1')], /X-containerd.new/],
  [
    'a layer and a directory of another disk',
    [rwLayer, erofs('1'), { type: 'format/bind', source: '{{ mount 0 }}/upper', options: ['rbind'] }],
    /a bind shows one/,
  ],
  [
    'a directory that leads out of its disk',
    [rwLayer, { type: 'format/mkdir/bind', source: '{{ mount 0 }}/../upper', options: ['rbind'] }],
    /a bind shows one/,
  ],
  ['an option that is not known', [erofs('1', 'X-containerd.new=1'), overlay(lower)], /X-containerd.new/],
  ['a disk still to be made', [{ ...rwLayer, type: 'mkfs/ext4' }, erofs('1'), overlay(lower)], /mkfs\/ext4/],
  [
    'a mount that is not there',
    [erofs('1'), erofs('2'), overlay('lowerdir={{ overlay 0 2 }}')],
    /names no mount/,
  ],
  ['another function', [erofs('1'), overlay('lowerdir={{ source 0 }}')], /names no mount/],
  ['a directory of the host below', [erofs('1'), overlay(`${lower}:/etc`)], /names \/etc/],
  ['no layer below', [erofs('1'), overlay()], /names nothing/],
  [
    'ids to be mapped',
    [erofs('1'), erofs('2'), overlay('lowerdir={{ overlay 0 1 }}', 'uidmap=0:1:2')],
    /uidmap/,
  ],
  ['an upper directory alone', [erofs('1'), overlay(lower, 'upperdir=/a')], /come together/],
  [
    'a way out of the disk',
    [
      rwLayer,
      erofs('1'),
      overlay('lowerdir={{ mount 1 }}', 'upperdir={{ mount 0 }}/../x', 'workdir={{ mount 0 }}/w'),
    ],
    /top of the disk/,
  ],
  [
    'another directory to be made',
    [erofs('1'), overlay(lower, 'X-containerd.mkdir.path=/etc/x')],
    /is to be made/,
  ],
  ['another last mount', [erofs('1'), erofs('2')], /of type erofs/],
  ['one layer, only read', [erofs('1'), overlay(lower)], /two layers/],
])('%s: refused', (_what, mounts, reason) => {
  expect(() => read(...mounts)).toThrow(expect.objectContaining({ code: 'ROOTFS_LAYERS' }))
  expect(() => read(...mounts)).toThrow(reason)
})
