import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { createDiskShare, type DiskShareParts } from './disk-share.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/disk-share-`)
})
afterEach(() => rmSync(base, { recursive: true }))

/** A share whose guest fails at its first `failures` calls. */
async function shareOf(failures = 0) {
  const made: string[] = []
  const copyFile = async ({ path }: { path: string }) => {
    await Bun.sleep(1)
    if (failures-- > 0) throw new Error('the guest says: no room')
    made.push(path)
  }
  const ledger = {
    take: (_kind: unknown, _data: unknown, make: () => unknown) => make(),
    dataOf: () => [],
  }
  const paths = { diskDir: `${base}/disks`, stateDir: base }
  const disks = { attach: async () => ({ address: { driver: 'mmioblk', node: '/dev/vdb' } }) }
  const parts = { ledger, agent: { copyFile }, paths, disks, log: silentLogger }
  return { share: await createDiskShare(parts as unknown as DiskShareParts), made }
}

/** An emptyDir on the host, as two containers bind it. */
function emptyDir() {
  const source = `${base}/work`
  mkdirSync(source, { recursive: true })
  return { source, destination: '/work', readonly: false, recursive: true, follow: false, isScratch: true }
}

test('containers that are made at the same time get one and the same emptyDir', async () => {
  const { share, made } = await shareOf()
  const bind = emptyDir()
  const [first, second] = await Promise.all(['a', 'b'].map((id) => share.addBind(id, bind)))
  expect([first, second]).toEqual([made[0]!, made[0]!])
  expect(await share.addBind('c', bind)).toBe(made[0]!)
  expect(made).toHaveLength(1)
  // Not one of the first container's, with which the agent would remove it.
  expect(made[0]).toMatch(/\/\.scratch-[0-9a-f]{16}-work$/)
})

test('one that could not be made is made for the next container', async () => {
  const { share, made } = await shareOf(1)
  const bind = emptyDir()
  await expect(share.addBind('a', bind)).rejects.toThrow('no room')
  expect(await share.addBind('a', bind)).toBe(made[0]!)
})

test('the disk of a root file system is mounted where the guest removes mount points again', async () => {
  const { share } = await shareOf()
  const mountPoint = '/run/kata-containers/sandbox/storage/c/rootfs'
  expect(await share.addRootfs('c', [])).toMatchObject({
    path: `${mountPoint}/rootfs`,
    storages: [{ driver: 'mmioblk', source: '/dev/vdb', mountPoint }],
  })
})
