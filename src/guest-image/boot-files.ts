/** Whether a file has the form of a kernel or an initrd that a machine can boot. */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { KataError } from '../errors.ts'

/**
 * A configured kernel without a known checksum: it must at least be an ELF file with the PVH
 * entry note, which is what `-kernel` needs for a direct start.
 *
 * @throws KataError IMAGE_FILE_MISSING, IMAGE_KERNEL_FORMAT.
 */
export function checkKernel(path: string): void {
  const fault = withFile('kernel', path, pvhFault)
  if (fault !== undefined) throw new KataError('IMAGE_KERNEL_FORMAT', { path, reason: fault })
}

/** An initrd that the configuration names: newc cpio, plain or compressed. @throws KataError IMAGE_FILE_MISSING, IMAGE_INITRD_FORMAT. */
export function checkInitrd(path: string): void {
  const head = withFile('initrd', path, (fd) => readAt(fd, 0, 6).toString('hex'))
  if (initrdMagics.some((magic) => head.startsWith(magic))) return
  throw new KataError('IMAGE_INITRD_FORMAT', { path, reason: `it starts with bytes ${head || '(none)'}` })
}

/** First bytes of newc cpio (with and without checksum), gzip, zstd, xz and lz4 as the kernel unpacks it (init/initramfs.c). */
const initrdMagics = ['303730373031', '303730373032', '1f8b', '28b52ffd', 'fd377a585a00', '02214c18']

/** The defect of the file as a PVH kernel, or undefined. Offsets: elf(5); the note: xen/include/public/elfnote.h, number 18. */
function pvhFault(fd: number): string | undefined {
  const header = readAt(fd, 0, 64)
  if (header.length < 64 || header.toString('latin1', 0, 4) !== '\x7fELF') return 'it is not an ELF file'
  if (header[4] !== 2 || header.readUInt16LE(18) !== 62) return 'it is not for x86-64'
  const entrySize = header.readUInt16LE(54)
  const table = readAt(fd, Number(header.readBigUInt64LE(32)), entrySize * header.readUInt16LE(56))
  for (let at = 0; entrySize >= 56 && at + 56 <= table.length; at += entrySize) {
    if (table.readUInt32LE(at) !== 4) continue
    const size = Math.min(Number(table.readBigUInt64LE(at + 32)), 65536)
    if (holdsPvhNote(readAt(fd, Number(table.readBigUInt64LE(at + 8)), size))) return undefined
  }
  return 'it has no PVH entry note'
}

function holdsPvhNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at)
    const name = notes.toString('latin1', at + 12, at + 12 + nameSize)
    if (name === 'Xen\0' && notes.readUInt32LE(at + 8) === 18) return true
    at += 12 + align4(nameSize) + align4(notes.readUInt32LE(at + 4))
  }
  return false
}

const align4 = (value: number) => Math.ceil(value / 4) * 4

function withFile<T>(what: string, path: string, use: (fd: number) => T): T {
  sizeOf(what, path)
  const fd = openSync(path, 'r')
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Up to `length` bytes at `offset`: fewer when the file ends before. An offset beyond any file gives none. */
function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  if (!Number.isSafeInteger(offset) || length === 0) return Buffer.alloc(0)
  return buffer.subarray(0, readSync(fd, buffer, 0, length, offset))
}

/** Size in bytes of a regular file. @throws KataError IMAGE_FILE_MISSING. */
export function sizeOf(what: string, path: string): number {
  let reason = 'it is not a regular file'
  try {
    const stat = statSync(path)
    if (stat.isFile()) return stat.size
  } catch (error) {
    reason = (error as NodeJS.ErrnoException).code ?? String(error)
  }
  throw new KataError('IMAGE_FILE_MISSING', { what, path, reason })
}
