/** Volumes, networks, and containers of snapshots on a disk that is full, a tmpfs. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { createNetwork, listNetworks } from './networks/store.ts'
import { copyDisk } from './snapshots/new-container.ts'
import { createVolume } from './volumes/store.ts'

const asRoot = test.skipIf(process.getuid?.() !== 0)
let base: string
let store: { readonly stateDir: string; readonly namespace: string }
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-full-')
  store = { stateDir: `${base}/disk`, namespace: 'default' }
  mkdirSync(store.stateDir)
  if (process.getuid?.() !== 0) return
  mount({ source: 'tmpfs', target: store.stateDir, type: 'tmpfs', data: 'size=64k,mode=755' })
})
afterEach(() => {
  if (process.getuid?.() === 0) unmount(store.stateDir)
  rmSync(base, { recursive: true })
})

/** Directories of a tmpfs need no room, and files do. */
function fill(): string {
  const { bavail, bsize } = statfsSync(store.stateDir)
  const others = `${store.stateDir}/others`
  writeFileSync(others, Buffer.alloc(bavail * bsize))
  return others
}

asRoot('a volume for which there is no room leaves nothing', () => {
  const others = fill()
  expect(() => createVolume(store, 'data')).toThrow(
    expect.objectContaining({ code: 'ENOSPC', path: `${store.stateDir}/volumes/default/data` }),
  )
  expect(readdirSync(`${store.stateDir}/volumes/default`)).toEqual([])
  rmSync(others)
  expect(createVolume(store, 'data').name).toBe('data')
})

asRoot('a network for which there is no room leaves nothing', async () => {
  const others = fill()
  const wish = { internal: false, labels: {} }
  await expect(createNetwork(store, 'shop', wish)).rejects.toThrow(
    expect.objectContaining({ code: 'ENOSPC', path: `${store.stateDir}/networks/default/shop` }),
  )
  expect(readdirSync(`${store.stateDir}/networks/default`)).toEqual([])
  rmSync(others)
  await createNetwork(store, 'shop', wish)
  expect(listNetworks(store)).toEqual(['shop'])
})

asRoot('the disk of a snapshot for which there is no room leaves nothing', async () => {
  fill()
  const [from, to] = [`${base}/from`, `${store.stateDir}/written.img`]
  writeFileSync(from, 'files')
  const recorded = { bytes: 5, sha256: '' }
  await expect(copyDisk({ from, recorded }, to, new AbortController().signal)).rejects.toThrow(
    expect.objectContaining({ code: 'ENOSPC', path: to }),
  )
  expect(readdirSync(store.stateDir)).toEqual(['others'])
})
