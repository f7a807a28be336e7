import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { Ledger } from '../../ledger/ledger.ts'
import { silentLogger } from '../../log.ts'
import { directoryResource, mountResource } from '../resources.ts'
import { makeRootfsDisk } from './rootfs-disk.ts'

let base: string
let ledger: Ledger
beforeEach(() => {
  base = mkdtempSync('/run/kt-disk-')
  ledger = new Ledger(`${base}/ledger`, [directoryResource, mountResource] as never, silentLogger)
  mkdirSync(`${base}/image/etc`, { recursive: true })
  mkdirSync(`${base}/state`)
  writeFileSync(`${base}/image/etc/hello`, 'from the image')
})
afterEach(() => rmSync(base, { recursive: true }))

const make = (image: string, source = `${base}/image`, more: { freeBytes?: number } = {}) =>
  makeRootfsDisk(ledger, {
    ...more,
    container: 'c1',
    stateDir: `${base}/state`,
    image,
    mounts: [{ type: 'bind', source, options: ['rbind', 'ro'] }],
  })

test('the same content gives the same bytes, in a file that takes little room, and nothing stays mounted', async () => {
  const [one, two] = [`${base}/one`, `${base}/two`]
  await make(one)
  await make(two)
  // Only what is no hole.
  const sum = (name: string) => {
    const tar = ['tar', '-C', base, '--sparse', '--mtime=@0', '--transform=s,.*,disk,', '-cf', '-', name]
    const { stdout } = Bun.spawnSync(tar)
    return new Bun.CryptoHasher('sha256').update(stdout).digest('hex')
  }
  expect(sum('one')).toBe(sum('two'))
  const { size, blocks } = statSync(one)
  expect(size).toBeGreaterThanOrEqual(4 * 1024 ** 3)
  expect(blocks * 512).toBeLessThan(32 * 1024 ** 2)
  const { stdout } = Bun.spawnSync(['debugfs', '-R', 'cat /rootfs/etc/hello', one], { stderr: 'ignore' })
  expect(stdout.toString()).toBe('from the image')
  expect(readdirSync(`${base}/state`)).toEqual([])
  expect(ledger.held).toEqual([])
}, 60_000)

test('when it cannot be made nothing of it is left', async () => {
  await expect(make(`${base}/absent/one`)).rejects.toThrow(/^\[ROOTFS_DISK_FAILED\].*c1/)
  await expect(make(`${base}/three`, `${base}/absent`)).rejects.toThrow(/^\[SHARE_SOURCE_MISSING\]/)
  expect(existsSync(`${base}/three`)).toBe(false)
  expect(readdirSync(`${base}/state`)).toEqual([])
  expect(ledger.held).toEqual([])
  expect(readFileSync(`${base}/image/etc/hello`, 'utf8')).toBe('from the image')
})

test('files that take more room than on the host’s file system, which compresses them, get it', async () => {
  const [source, packed, image] = [`${base}/packed`, `${base}/packed.erofs`, `${base}/disk`]
  writeFileSync(`${base}/image/large`, 'x'.repeat(64 * 1024 ** 2))
  mkdirSync(source)
  const run = (...argv: string[]) => expect(Bun.spawnSync(argv).exitCode).toBe(0)
  run('mkfs.erofs', '--quiet', '-zlz4', packed, `${base}/image`)
  run('mount', '-t', 'erofs', '-o', 'ro,loop', packed, source)
  try {
    // Two thirds are for the inodes.
    await make(image, source, { freeBytes: 96 * 1024 ** 2 })
  } finally {
    run('umount', source)
  }
  const { stdout } = Bun.spawnSync(['debugfs', '-R', 'cat /rootfs/large', image], { stderr: 'ignore' })
  expect(stdout.length).toBe(64 * 1024 ** 2)
  expect(statSync(image).size).toBeLessThan(256 * 1024 ** 2)
}, 60_000)
