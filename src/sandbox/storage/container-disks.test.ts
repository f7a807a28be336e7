import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { addDirectVolume } from '../../devices/direct-volume.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import { attachDisks } from './container-disks.ts'

const volume = '/volumes/pv'
let dir: string
beforeAll(() => {
  dir = mkdtempSync('/tmp/container-disks-')
  writeFileSync(`${dir}/disk`, '')
  truncateSync(`${dir}/disk`, 8192)
})
afterAll(() => rmSync(dir, { recursive: true }))

/** A container that mounts the volume to be written, with these options in the volume's note. */
async function attachedWith(options: string[]) {
  const metadata = { fsGroup: '2000' }
  addDirectVolume(volume, JSON.stringify({ device: `${dir}/disk`, fstype: 'ext4', options, metadata }), dir)
  const spec = { mounts: [{ destination: '/data', type: 'bind', source: volume, options: ['rbind', 'rw'] }] }
  const asked: object[] = []
  const disks = {
    attach: async (_container: string, _disk: object, use: object) => {
      asked.push(use)
      return { id: 'disk1', address: { driver: 'blk', pciPath: '02' }, isNew: true }
    },
  }
  const ledger = { take: (_kind: object, _data: object, make: () => unknown) => make() }
  const input = { containerId: 'c', sandboxId: 'pod', spec, rights: deviceRights(spec), disks, ledger }
  const { storages, mounts } = await attachDisks({ ...input, hypervisor: {} } as never, dir)
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
