/**
 * The stream buffer: a file in memory that the share shows to the guest's agent. Large output and input of processes goes through it instead of
 * the agent's channel. For output, the guest hands the pages of the process's pipe to the share's daemon, which copies them into the file. For
 * input, the guest reads pages of the file, which go into the pipe without a copy.
 *
 * The file lies on a file system of its own that holds only the buffer, whatever the guest writes. Its bytes are a process's output or input,
 * which nothing trusts.
 */
import { chownSync, closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import type { Ledger } from '../ledger/ledger.ts'
import { isDiskFull } from '../linux/files/disk-full.ts'
import { checked, libc } from '../linux/libc.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../linux/mounts/mount-tree.ts'
import type { Idmap } from './idmap.ts'
import { makeDirectory, makeFile, mountAt, type ShareTree } from './share-tree.ts'

/** The name where the guest's agent looks for the buffer. No container has it, because no id begins with a dot. */
const bufferName = '.stream-buffer'
/** Bytes of a place. Large enough that the cost of one call in the guest's agent, an interpreter, hardly counts. */
export const placeBytes = 8 * 1024 * 1024
/** Number of places. A busy stream uses two; a stream that finds no free place uses the channel. */
const placeCount = 4

const SYS_fallocate = 285
/** FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
const punchHole = 3

/** A part of the buffer for one call. */
export interface BufferPlace {
  /** Bytes from the beginning of the buffer. */
  readonly offset: number
  readonly size: number
  /** Reads `count` bytes from `from` on that the guest has written; fewer if the guest has truncated the file. */
  take(from: number, count: number): Uint8Array
  /** Writes bytes for the guest. False if the guest has filled the file system itself. */
  put(bytes: Uint8Array): boolean
  /**
   * Returns the place once the guest has answered, with the number of bytes in it. The guest must not use the place for this call afterwards.
   */
  giveBack(count: number): void
}

export class StreamBuffer {
  readonly #fd: number
  readonly #free = Array.from({ length: placeCount }, (_, index) => index * placeBytes)

  /** Takes ownership of the file's descriptor. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** Lends a place; undefined if all are lent. A place whose call never gets an answer stays lent. */
  lend(): BufferPlace | undefined {
    const offset = this.#free.shift()
    if (offset === undefined) return undefined
    return {
      offset,
      size: placeBytes,
      take: (from, count) => {
        const bytes = Buffer.allocUnsafeSlow(count)
        return bytes.subarray(0, readSync(this.#fd, bytes, 0, count, offset + from))
      },
      put: (bytes) => this.#put(bytes, offset),
      giveBack: (count) => {
        this.#clear(offset, count)
        this.#free.push(offset)
      },
    }
  }

  #put(bytes: Uint8Array, offset: number): boolean {
    try {
      for (let at = 0; at < bytes.length; )
        at += writeSync(this.#fd, bytes, at, bytes.length - at, offset + at)
      return true
    } catch (error) {
      if (isDiskFull(error)) return false
      throw error
    }
  }

  /** Frees the place's memory, because the next use may be long in coming. */
  #clear(offset: number, count: number): void {
    if (count === 0) return
    const cleared = Number(libc.syscall(SYS_fallocate, this.#fd, punchHole, offset, placeBytes, 0, 0))
    checked(cleared, 'fallocate of the stream buffer')
  }
}

/** Makes the file and shows it to the guest. @throws SyscallError of mount(2) and related calls; system errors. */
export async function createStreamBuffer(
  ledger: Ledger,
  { scratch, entries }: Pick<ShareTree, 'scratch' | 'entries'>,
  idmap: Idmap | undefined,
): Promise<StreamBuffer> {
  const [directory, entry] = [`${scratch}/stream-buffer`, `${entries}/${bufferName}`]
  await makeDirectory(ledger, directory, '')
  await mountAt(ledger, directory, '', () => {
    const data = `size=${placeCount * placeBytes},nr_inodes=2,mode=0700`
    const { nosuid, nodev, noexec } = mountFlags
    mount({ source: 'stream-buffer', target: directory, type: 'tmpfs', flags: nosuid | nodev | noexec, data })
  })
  await makeFile(ledger, entry, '')
  const file = `${directory}/file`
  const fd = openSync(file, 'wx+', 0o600)
  try {
    ftruncateSync(fd, placeCount * placeBytes)
    // The daemon is root only in its own namespace, so the file needs an owner there.
    const owner = idmap?.first ?? 0
    chownSync(file, owner, owner)
    await mountAt(ledger, entry, '', () => show(file, entry))
    return new StreamBuffer(fd)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function show(file: string, entry: string): void {
  const source = openLocation(file)
  const { nosuid, nodev, noexec } = mountAttributes
  try {
    bindTree(source, entry, { attributes: nosuid | nodev | noexec })
  } finally {
    closeSync(source)
  }
}
