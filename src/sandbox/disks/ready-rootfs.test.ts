import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { HypervisorConfig } from '../../config/config.ts'
import type { DiskAccess, HostDisk } from '../../devices/host-disk.ts'
import type { RootfsMount } from '../../sharing/share.ts'
import { mountedLayers } from './mounted-layers.ts'
import { bringRootfs, type RootfsWays } from './ready-rootfs.ts'

let dir: string
let image: string
/** What was plugged in, and what was left to the share. */
let attached: { container: string; name: string; kind: string; access: DiskAccess }[]
let shared: (readonly RootfsMount[])[]
beforeEach(() => {
  dir = mkdtempSync('/var/tmp/kata-ts-ready-rootfs-')
  image = `${dir}/snapshot`
  writeFileSync(image, 'an ext4')
  attached = []
  shared = []
})
afterEach(() => rmSync(dir, { recursive: true }))

function ways(hypervisor: Partial<RootfsWays['config']['hypervisor']> = {}): RootfsWays {
  const disks: RootfsWays['disks'] = {
    async attach(container: string, { name, kind }: HostDisk, access: DiskAccess) {
      attached.push({ container, name, kind, access })
      return { id: 'disk1', address: { driver: 'scsi', address: '0:3' }, isNew: true }
    },
  }
  return {
    disks,
    ledger: undefined as never,
    paths: { stateDir: dir },
    share: {
      async addRootfs(_container, mounts) {
        shared.push(mounts)
        return { path: '/shared', storages: [] }
      },
    },
    config: {
      hypervisor: {
        driver: 'qemu',
        disableBlockDeviceUse: false,
        blockDeviceCacheSet: false,
        blockDeviceCacheDirect: true,
        ...hypervisor,
      } as HypervisorConfig,
    },
  }
}

const ext4 = (...options: string[]): RootfsMount => ({ type: 'ext4', source: image, options })

test('the image of a snapshot goes into the machine, and the guest is asked to mount it', async () => {
  const path = '/run/kata-containers/sandbox/storage/web/rootfs'
  expect(await bringRootfs(ways(), 'web', [ext4('rw', 'loop', 'discard')])).toEqual({
    path,
    storages: [
      { driver: 'scsi', source: '0:3', fstype: 'ext4', options: ['rw', 'discard'], mountPoint: path },
    ],
  })
  const access = { readonly: false, direct: false }
  expect(attached).toEqual([{ container: 'web', name: image, kind: 'file', access }])
  expect(shared).toEqual([])
})

test('a read-only one is opened for reading, and past the page cache where the configuration says so', async () => {
  await bringRootfs(ways({ blockDeviceCacheSet: true }), 'web', [ext4('ro', 'loop')])
  expect(attached.map(({ access }) => access)).toEqual([{ readonly: true, direct: true }])
})

test.each<[string, () => RootfsMount[]]>([
  ['an overlay', () => [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/a'] }]],
  ['a directory', () => [{ type: 'bind', source: dir, options: ['rbind'] }]],
  ['two mounts', () => [ext4('rw'), ext4('ro')]],
  ['a disk that is not there', () => [{ type: 'ext4', source: `${dir}/absent`, options: [] }]],
])('%s is left to the share', async (_what, mounts) => {
  expect(await bringRootfs(ways(), 'web', mounts())).toEqual({ path: '/shared', storages: [] })
  expect(attached).toEqual([])
})

test('where disks are forbidden, one in a file is refused by name', async () => {
  const bring = bringRootfs(ways({ disableBlockDeviceUse: true }), 'web', [ext4('loop')])
  await expect(bring).rejects.toMatchObject({
    code: 'DEVICE_VOLUMES_DISABLED',
    fields: { source: image, container: 'web' },
  })
  expect([attached, shared]).toEqual([[], []])
})

test('a link that somebody laid in place of the image, and a name that is a path, are refused', async () => {
  symlinkSync(image, `${dir}/link`)
  const link = { ...ext4(), source: `${dir}/link` }
  await expect(bringRootfs(ways(), 'web', [link])).rejects.toMatchObject({ code: 'SOURCE_LINK' })
  await expect(bringRootfs(ways(), '../web', [ext4()])).rejects.toMatchObject({ code: 'ID_INVALID' })
  expect(attached).toEqual([])
})

describe('layers that the erofs snapshotter of containerd 2.1 has mounted', () => {
  const snapshot = (name: string) => `${dir}/${name}/fs`
  const overlay = (...lower: string[]): RootfsMount => ({
    type: 'overlay',
    source: 'overlay',
    options: [
      `workdir=${dir}/3/work`,
      `upperdir=${snapshot('3')}`,
      `lowerdir=${lower.map(snapshot).join(':')}`,
    ],
  })
  beforeEach(() => {
    for (const name of ['1', '2', '3']) {
      mkdirSync(snapshot(name), { recursive: true })
      writeFileSync(`${dir}/${name}/.erofslayer`, '')
    }
    for (const name of ['1', '2']) writeFileSync(`${dir}/${name}/layer.erofs`, 'an erofs')
  })

  test('are disks, by their files, below a directory for what is written', () => {
    expect(mountedLayers([overlay('2', '1')])).toEqual([
      { type: 'erofs', source: `${dir}/2/layer.erofs`, options: ['ro', 'loop'] },
      { type: 'erofs', source: `${dir}/1/layer.erofs`, options: ['ro', 'loop'] },
      {
        type: 'format/overlay',
        source: 'overlay',
        options: [`workdir=${dir}/3/work`, `upperdir=${snapshot('3')}`, 'lowerdir={{ overlay 0 1 }}'],
      },
    ])
  })

  test('a directory that is none of the snapshotter’s is not taken for a layer', () => {
    rmSync(`${dir}/1/.erofslayer`)
    expect(mountedLayers([overlay('2', '1')])).toBeUndefined()
    rmSync(`${dir}/2/layer.erofs`)
    expect(mountedLayers([overlay('2')])).toBeUndefined()
    expect(mountedLayers([{ type: 'overlay', source: 'overlay', options: ['ro'] }])).toBeUndefined()
  })

  test.each<[string, Partial<HypervisorConfig>]>([
    ['disks are forbidden', { disableBlockDeviceUse: true }],
    ['a VMM has few', { driver: 'firecracker' }],
  ])('they are shared where %s', async (_what, hypervisor) => {
    await bringRootfs(ways(hypervisor), 'web', [overlay('2', '1')])
    expect([attached, shared]).toEqual([[], [[overlay('2', '1')]]])
  })
})
