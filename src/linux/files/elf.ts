/** What the kernel starts a program with: the loader that its ELF file names (elf(5)), or the interpreter of a script. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const PT_INTERP = 3
/** sizeof(Elf64_Phdr). */
const entrySize = 56

/** Whether the kernel starts it by a `#!` interpreter (execve(2)), which a jail does not have. */
export function isScript(path: string): boolean {
  const fd = openSync(path, 'r')
  try {
    const head = Buffer.alloc(2)
    return readSync(fd, head, 0, 2, 0) === 2 && head.toString('latin1') === '#!'
  } finally {
    closeSync(fd)
  }
}

/** The program interpreter (`/lib64/ld-linux-x86-64.so.2`), or undefined for a static program, a script or 32-bit ELF. */
export function programInterpreter(path: string): string | undefined {
  const fd = openSync(path, 'r')
  try {
    const fileSize = fstatSync(fd).size
    const head = Buffer.alloc(64)
    const size = readSync(fd, head, 0, 64, 0)
    const littleEndian64 = head.subarray(0, 6).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]))
    if (size < 64 || !littleEndian64) return undefined
    const tableAt = Number(head.readBigUInt64LE(32))
    // Positions beyond the file can only come from a damaged one; the entry size is fixed for 64 bits.
    if (tableAt > fileSize || head.readUInt16LE(54) !== entrySize) return undefined
    const table = Buffer.alloc(entrySize * head.readUInt16LE(56))
    readSync(fd, table, 0, table.length, tableAt)
    for (let at = 0; at < table.length; at += entrySize) {
      if (table.readUInt32LE(at) !== PT_INTERP) continue
      const textAt = Number(table.readBigUInt64LE(at + 8))
      if (textAt > fileSize) return undefined
      const text = Buffer.alloc(Math.min(Number(table.readBigUInt64LE(at + 32)), 4096))
      readSync(fd, text, 0, text.length, textAt)
      return text.toString('utf8').replace(/\0.*$/s, '')
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}
