/** Files with holes: their digests, and copies of them. What is a hole costs nothing, and counts as the zeros that it reads as. */
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs'
import { breather } from '../../time.ts'
import { checked, lastErrno, libc } from '../libc.ts'

const SYS_lseek = 8
const SYS_ioctl = 16
const SEEK_DATA = 3
const FICLONE = 0x40049409
const blockBytes = 64 * 1024
/** Blocks between two breaths. */
const breathEvery = 256

export interface FileDigest {
  readonly bytes: number
  /** SHA-256 of number and bytes of each block that is not all zeros, 64 hexadecimal digits. */
  readonly sha256: string
}

/** @throws the signal's reason; errors of the system. */
export function digestOf(fd: number, signal: AbortSignal): Promise<FileDigest> {
  return walk(fd, signal, () => {})
}

/**
 * Copies the file, or has both share their blocks where the file system can do that. Returns the digest of both.
 *
 * @throws the signal's reason; errors of the system, ENOSPC among them.
 */
export async function copySparse(from: number, to: number, signal: AbortSignal): Promise<FileDigest> {
  const isClone = shareBlocks(from, to)
  if (!isClone) ftruncateSync(to, fstatSync(from).size)
  return walk(from, signal, (block, at) => {
    if (!isClone) writeAll(to, block, at)
  })
}

/** Has an empty file share the blocks of another, where their file system can do that. False: it is empty still. */
export function shareBlocks(from: number, to: number): boolean {
  return Number(libc.syscall(SYS_ioctl, to, FICLONE, from, 0, 0, 0)) === 0
}

async function walk(
  fd: number,
  signal: AbortSignal,
  seen: (block: Uint8Array, at: number) => void,
): Promise<FileDigest> {
  const bytes = fstatSync(fd).size
  const hash = new Bun.CryptoHasher('sha256')
  const buffer = Buffer.alloc(blockBytes)
  const zeros = Buffer.alloc(blockBytes)
  const breathe = breather(breathEvery, signal)
  for (let at = nextBlock(fd, 0, bytes); at < bytes; at = nextBlock(fd, at + blockBytes, bytes)) {
    const block = buffer.subarray(0, readSync(fd, buffer, 0, blockBytes, at))
    if (block.equals(zeros.subarray(0, block.length))) continue
    hash.update(`${at / blockBytes}:`)
    hash.update(block)
    seen(block, at)
    await breathe()
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** Where the first block begins from there on that has data; the end of the file when none has. */
function nextBlock(fd: number, from: number, end: number): number {
  if (from >= end) return end
  const data = Number(libc.syscall(SYS_lseek, fd, from, SEEK_DATA, 0, 0, 0))
  // Only a hole is left. A disk that cannot be read (EIO) is no hole.
  if (data < 0 && lastErrno() === 'ENXIO') return end
  // A file system without holes calls all of it data.
  checked(data, 'lseek to the next data')
  return Math.max(from, data - (data % blockBytes))
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let offset = 0; offset < bytes.length; )
    offset += writeSync(fd, bytes, offset, bytes.length - offset, at + offset)
}
