import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import { Ledger, type ResourceKind } from '../../../ledger/ledger.ts'
import { silentLogger } from '../../../log.ts'
import type { Lease } from '../../../rootless/identity/lease.ts'
import { helperIds } from '../../../rootless/identity/uid-range.ts'
import { treeResource } from '../../storage/tree.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { requireStartable } from './claim.ts'
import { takeUser, type UserHost } from './user.ts'

const lease: Lease = {
  k: 7,
  name: 'kata-7',
  first: 1 << 20,
  uid: (1 << 20) + 65_535,
  runDir: '/run',
  sandbox: 'test/pod',
  token: 't',
  userDir: '/run/user',
}
const identity = { name: lease.name, uid: lease.uid, gid: lease.uid, groups: [108] }

/** Takes a user from a host that notes what is asked of it, in order. */
async function taken(changes: Partial<HypervisorConfig>, fails: Partial<UserHost> = {}) {
  using double = new HostDouble()
  const request = double.request(changes)
  const paths = requireStartable(request)
  double.host.claimStateDir(paths)
  const ledger = new Ledger(paths.ledger, [treeResource as ResourceKind<never>], silentLogger)
  const asked: string[] = []
  const host: UserHost = {
    checkUpperIds: () => void asked.push('check the upper ids'),
    sweepOncePerBoot: async () => void asked.push('sweep'),
    takeIdentity: async (_ledger, { account, accelerator, sandbox }) => {
      asked.push(`identity of ${sandbox}: ${account} account, group for ${accelerator}`)
      return { identity, lease }
    },
    takeLease: async (_ledger, { sandbox }) => {
      asked.push(`lease of ${sandbox}`)
      return lease
    },
    makePrivateDir: async (_ledger, { uid }, isBounded) => {
      asked.push(`${isBounded ? 'bounded' : 'plain'} directory`)
      return `/run/user/${uid}`
    },
    boundDir: (path, uid) => {
      const mode = (statSync(path).mode & 0o7777).toString(8)
      asked.push(`bounds of a directory of user ${uid}, mode ${mode}`)
    },
    ...fails,
  }
  const user = await takeUser(ledger, { ...request, paths }, host)
  const isRoots = user.privateDir === paths.rootVmDir
  const mode = isRoots ? statSync(paths.rootVmDir).mode & 0o7777 : undefined
  const held = [...ledger.held]
  await ledger.releaseAll()
  return { user, asked, held, isRoots, mode, left: statSync(paths.rootVmDir, { throwIfNoEntry: false }) }
}

test('the VMM is a throw-away user with a private directory, and the share daemon has the ids below it', async () => {
  const { user, asked } = await taken({ accelerator: 'kvm', rootlessAccount: 'useradd' })
  expect(user).toEqual({ identity, privateDir: `/run/user/${lease.uid}`, ids: helperIds(lease) })
  expect(asked).toEqual([
    ...['check the upper ids', 'sweep'],
    ...['identity of test/pod: useradd account, group for kvm', 'plain directory'],
  ])
})

test.each([
  ['QEMU that gets KVM as a descriptor', { kvmAccess: 'descriptor' }, 'tcg', 'plain'],
  ['Cloud Hypervisor, which makes its sockets itself', { driver: 'clh' }, 'kvm', 'bounded'],
  ['Firecracker, which has a node of its own', { driver: 'firecracker' }, 'tcg', 'plain'],
] as const)('%s: group and directory', async (_vmm, changes, group, directory) => {
  const { asked } = await taken({ ...changes, accelerator: 'kvm', jailerPath: '/bin/sh' })
  expect(asked.at(-2)).toEndWith(`group for ${group}`)
  expect(asked.at(-1)).toBe(`${directory} directory`)
})

test('a share daemon that is root gets no ids, and none are looked for', async () => {
  const { user, asked } = await taken({ virtioFsPrivilege: 'root' })
  expect(user.ids).toBeUndefined()
  expect(asked).not.toContain('check the upper ids')
})

test('without a shared file system the ids from 2^31 on may be others’', async () => {
  const { asked } = await taken({ sharedFs: 'none' })
  expect(asked).not.toContain('check the upper ids')
})

test('with rootless off the VMM is root, in a directory that only root enters; the share daemon is not', async () => {
  const { user, asked, held, isRoots, mode, left } = await taken({ rootless: false })
  expect(user).toMatchObject({ identity: { uid: 0, gid: 0, groups: [] }, ids: helperIds(lease) })
  expect(asked).toEqual(['check the upper ids', 'sweep', 'lease of test/pod'])
  expect({ isRoots, mode, held, left }).toEqual({
    isRoots: true,
    mode: 0o700,
    held: ['tree'],
    left: undefined,
  })
})

test('a directory of root’s is bounded as well, where the VMM makes files in it', async () => {
  const { asked, isRoots, left } = await taken({ rootless: false, driver: 'clh' })
  expect(asked.at(-1)).toBe('bounds of a directory of user 0, mode 700')
  expect({ isRoots, left }).toEqual({ isRoots: true, left: undefined })
})

test('with both root, no id of the host is taken', async () => {
  const { user, asked } = await taken({ rootless: false, virtioFsPrivilege: 'root' })
  expect(user).toMatchObject({ identity: { uid: 0 }, ids: undefined })
  expect(asked).toEqual([])
})

test('ids that others have stop the start before anything is taken', async () => {
  const where = { file: '/etc/passwd', line: 3, text: 'big:x:3000000000' }
  const swept: string[] = []
  const start = taken(
    {},
    {
      checkUpperIds: () => {
        throw new KataError('UPPER_IDS_TAKEN', where)
      },
      sweepOncePerBoot: async () => void swept.push('sweep'),
    },
  )
  await expect(start).rejects.toThrow('[UPPER_IDS_TAKEN]')
  expect(swept).toEqual([])
})
