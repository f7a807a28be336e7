/** Disk images for guests, made of what is in the initrd of `kata-ts guest build`, without mounting anything. */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const sizeMiB = 32
const sector = 512
/** Where partitioning tools let the first one begin, in sectors. */
const firstSector = 2048

/** A root file system for a guest in `dir`: the initrd's files, with the agent as /sbin/init. */
export function makeGuestTree(initrd: string, dir: string): void {
  mkdirSync(dir)
  unpackNewc(readFileSync(initrd), dir)
  renameSync(join(dir, 'init'), join(dir, 'usr/sbin/init'))
}

/** Puts a tree on an ext4 that takes the whole disk. The image is root's alone. */
export function makeWholeDisk(tree: string, image: string): void {
  const { exitCode, stderr } = Bun.spawnSync(
    ['mke2fs', '-q', '-t', 'ext4', '-d', tree, image, `${sizeMiB}M`],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  )
  if (exitCode !== 0) throw new Error(`mke2fs: ${stderr}`)
}

/** Puts the file system of a whole disk on the first partition of another one. */
export function makePartitionedDisk(wholeDisk: string, image: string): void {
  const fileSystem = readFileSync(wholeDisk)
  writeFileSync(image, Buffer.concat([partitionTable(fileSystem.length / sector), fileSystem]))
}

/** A master boot record with one Linux partition, and the gap up to it. */
function partitionTable(sectors: number): Buffer {
  const head = Buffer.alloc(firstSector * sector)
  head.writeUInt8(0x83, 446 + 4)
  head.writeUInt32LE(firstSector, 446 + 8)
  head.writeUInt32LE(sectors, 446 + 12)
  head.writeUInt16BE(0x55aa, 510)
  return head
}

/** Files, directories and symbolic links of a newc archive (cpio itself is not on every machine). */
function unpackNewc(archive: Buffer, dir: string): void {
  const aligned = (offset: number) => (offset + 3) & ~3
  for (let at = 0; ; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const [mode, size, nameSize] = [field(1), field(6), field(11)]
    const name = archive.toString('utf8', at + 110, at + 110 + nameSize - 1)
    if (name === 'TRAILER!!!') return
    const begin = aligned(at + 110 + nameSize)
    const data = archive.subarray(begin, begin + size)
    const path = join(dir, name)
    mkdirSync(dirname(path), { recursive: true })
    const type = mode & 0o170000
    if (type === 0o040000) mkdirSync(path, { recursive: true, mode: mode & 0o7777 })
    if (type === 0o100000) writeFileSync(path, data, { mode: mode & 0o7777 })
    if (type === 0o120000) symlinkSync(data.toString(), path)
    at = aligned(begin + size)
  }
}

/** The same disk without one of its files. */
export function without(path: string, tree: string, image: string): void {
  const kept = `${image}.kept`
  copyFileSync(join(tree, path), kept)
  rmSync(join(tree, path))
  try {
    makeWholeDisk(tree, image)
  } finally {
    copyFileSync(kept, join(tree, path))
  }
}
