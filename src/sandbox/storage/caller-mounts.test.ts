/** A user may give his paths any names, and put anything there: neither decides how his mount is shown. */
import { expect, test } from 'bun:test'
import { callerOption } from '../../oci/caller-mount.ts'
import type { OciMount } from '../../oci/spec.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import type { BindRequest, Share } from '../../sharing/share.ts'
import { volumeUses } from './disk-uses.ts'
import { carryMounts } from './mounts.ts'

const caller = { uid: 1000, gid: 100, guestUid: 0, guestGid: 0, device: 1n, inode: 2n }
const option = callerOption(caller)
const kubelet = '/home/a/pods/p1/containers/c/0123abcd'

function bind(source: string, ...options: string[]): OciMount {
  return { destination: '/data', type: 'bind', source, options: ['rbind', ...options] }
}

async function carry(mount: OciMount) {
  const binds: BindRequest[] = []
  const share: Pick<Share, 'addBind'> = {
    async addBind(_, request) {
      binds.push(request)
      return '/shared/1'
    },
  }
  const guest = { disks: new Map(), addWatched: undefined, emptyDirs: { volumeOf: async () => undefined } }
  const { mounts, deviceRules } = await carryMounts({ mounts: [mount] }, 'c1', share as Share, guest)
  return { mounts, deviceRules, binds }
}

test('a device of the host is one in the guest for root; for a user it is a file like any other', async () => {
  expect((await carry(bind('/dev/null'))).deviceRules).toHaveLength(1)
  const { mounts, deviceRules, binds } = await carry(bind('/dev/null', option))
  expect(deviceRules).toEqual([])
  expect(binds).toMatchObject([{ source: '/dev/null', caller }])
  // The guest is not told of users of the host.
  expect(mounts[0]?.options).toEqual(['rbind', 'nosuid', 'nodev'])
})

test('a disk is attached for root alone', () => {
  const disk = { ...bind('/home/a/disk', 'rw'), type: 'ext4' }
  expect(volumeUses({ mounts: [disk] })).toHaveLength(1)
  expect(volumeUses({ mounts: [{ ...disk, options: [...disk.options!, option] }] })).toEqual([])
})

test('a termination message is written for root alone', () => {
  expect(terminationMount({ mounts: [bind(kubelet)] })).toBeDefined()
  expect(terminationMount({ mounts: [bind(kubelet, option)] })).toBeUndefined()
})
