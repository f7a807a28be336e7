import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { addDirectVolume, directVolumeResource, sandboxesOf } from '../../devices/direct-volume.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { silentLogger } from '../../log.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import { FSGroupChangePolicy } from '../../protocol/generated/types.ts'
import { attachDisks, releaseDisks } from './container-disks.ts'

const volume = '/volumes/pv'
let dir: string
beforeAll(() => {
  dir = mkdtempSync('/tmp/container-disks-')
  writeFileSync(`${dir}/disk`, '')
  truncateSync(`${dir}/disk`, 8192)
})
afterAll(() => rmSync(dir, { recursive: true }))

/** A container that mounts the volume to be written, with these options in the volume's note. */
async function attachedWith(
  options: string[],
  { policy = {}, isNew = true, hypervisor = {}, flags = [] as string[] } = {},
) {
  const metadata = { fsGroup: '2000', ...policy }
  addDirectVolume(volume, JSON.stringify({ device: `${dir}/disk`, fstype: 'ext4', options, metadata }), dir)
  const spec = {
    mounts: [{ destination: '/data', type: 'bind', source: volume, options: ['rbind', 'rw', ...flags] }],
  }
  const asked: object[] = []
  const disks = {
    attach: async (_container: string, _disk: object, use: object) => {
      asked.push(use)
      return { id: 'disk1', address: { driver: 'blk', pciPath: '02' }, isNew }
    },
  }
  const ledger = { take: (_kind: object, _data: object, make: () => unknown) => make() }
  const input = { containerId: 'c', sandboxId: 'pod', spec, rights: deviceRights(spec), disks, ledger }
  const { storages, mounts } = await attachDisks({ ...input, hypervisor } as never, dir)
  return { asked, storage: storages[0], mount: mounts.get(0) }
}

test('a volume whose note says ro is read-only as a disk, a file system and a mount, and its files stay as they are', async () => {
  const { asked, storage, mount } = await attachedWith(['ro', 'noatime'])
  expect(asked).toMatchObject([{ readonly: true }])
  expect(storage).toMatchObject({ fstype: 'ext4', options: ['ro', 'noatime'], fsGroup: undefined })
  expect(mount?.options).toEqual(['rbind', 'rprivate', 'ro'])
})

test('a volume to be written belongs to the group', async () => {
  const { asked, storage, mount } = await attachedWith([])
  expect(asked).toMatchObject([{ readonly: false }])
  expect(storage).toMatchObject({ options: ['rw'], fsGroup: { groupId: 2000 } })
  expect(mount?.options).toEqual(['rbind', 'rprivate', 'rw'])
})

test('its files stay as they are where a container has it already, and the policy is the one of its note', async () => {
  expect((await attachedWith([], { isNew: false })).storage?.fsGroup).toBeUndefined()
  const always = await attachedWith([])
  expect(always.storage?.fsGroup?.groupChangePolicy).toBe(FSGroupChangePolicy.ALWAYS)
  const policy = { fsGroupChangePolicy: 'OnRootMismatch' }
  const onMismatch = await attachedWith([], { policy })
  expect(onMismatch.storage?.fsGroup?.groupChangePolicy).toBe(FSGroupChangePolicy.ON_ROOT_MISMATCH)
})

test('what the mount forbids holds in the container', async () => {
  const flags = ['nosuid', 'nodev', 'noexec']
  const { mount } = await attachedWith([], { flags })
  expect(mount?.options).toEqual(['rbind', 'rprivate', 'rw', ...flags])
})

test('no disk is attached where the operator wants none', async () => {
  const attached = attachedWith([], { hypervisor: { disableBlockDeviceUse: true } })
  await expect(attached).rejects.toMatchObject({
    code: 'DEVICE_VOLUMES_DISABLED',
    fields: { container: 'c' },
  })
})

test('a volume is this sandbox’s until the container that has it goes, and no other container', async () => {
  const stateDir = mkdtempSync('/tmp/container-disks-')
  try {
    const ledger = new Ledger(`${stateDir}/ledger.jsonl`, [directVolumeResource], silentLogger)
    const detached: string[] = []
    const disks = {
      attach: async () => ({ id: 'disk1', address: { driver: 'blk', pciPath: '02' }, isNew: true }),
      detach: async (container: string) => {
        detached.push(container)
        return []
      },
    }
    const volumeOf = (container: string) => `/volumes/of-${container}`
    const isOurs = (container: string) => sandboxesOf(volumeOf(container), dir).includes('pod')
    for (const containerId of ['one', 'two', 'three']) {
      const source = volumeOf(containerId)
      addDirectVolume(source, JSON.stringify({ device: `${dir}/disk`, fstype: 'ext4', options: [] }), dir)
      expect(isOurs(containerId)).toBe(false)
      const spec = { mounts: [{ destination: '/data', type: 'bind', source, options: ['rbind'] }] }
      const input = { containerId, sandboxId: 'pod', spec, rights: deviceRights(spec), disks, ledger }
      await attachDisks({ ...input, hypervisor: {} } as never, dir)
    }
    await releaseDisks('two', { disks: disks as never, ledger, isHeld: false })
    expect(['one', 'two', 'three'].map(isOurs)).toEqual([true, false, true])
    expect(detached).toEqual(['two'])
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})
