/**
 * The stream buffer: a file in memory that a share shows to the guest's agent. Much output of a process goes through it instead of the agent's
 * channel, and much input. The guest sends the pages of the process's pipe to the share's daemon as they are, which copies them into the file;
 * and has pages of the file from it, which go into the pipe as they are.
 *
 * The file lies on a file system of its own, which holds no more than the buffer, whatever the guest writes. Its bytes are a process's
 * output or input, and nobody trusts them.
 */
import { chownSync, closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import type { Ledger } from '../ledger/ledger.ts'
import { isDiskFull } from '../linux/files/disk-full.ts'
import { checked, libc } from '../linux/libc.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../linux/mounts/mount-tree.ts'
import type { Idmap } from './idmap.ts'
import { makeDirectory, makeFile, mountAt, type ShareTree } from './share-tree.ts'

/** Where the guest's agent looks for it; no container's id begins with a dot. */
const bufferName = '.stream-buffer'
/** Bytes of a place: what the guest's agent, an interpreter, spends on one answer is little beside it. */
export const placeBytes = 8 * 1024 * 1024
/** A stream that gives or takes much has two. One that finds none free goes through the channel. */
const placeCount = 4

const SYS_fallocate = 285
/** FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
const punchHole = 3

/** A part of the buffer for one call. */
export interface BufferPlace {
  /** Bytes from the beginning of the buffer. */
  readonly offset: number
  readonly size: number
  /** `count` bytes of what the guest has put there, from `from` on; fewer when it has cut its file. */
  take(from: number, count: number): Uint8Array
  /** Puts bytes there for the guest; false where it has used the room for what nobody asked for. */
  put(bytes: Uint8Array): boolean
  /** To be called once the guest has answered, with the bytes that are there: it has nothing to do there any more for this call. */
  giveBack(count: number): void
}

export class StreamBuffer {
  readonly #fd: number
  readonly #free = Array.from({ length: placeCount }, (_, index) => index * placeBytes)

  /** Takes over a descriptor of the file. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** A place that nobody else has; undefined when all are lent. One whose answer never comes stays lent. */
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

  /** The next may be long in coming. */
  #clear(offset: number, count: number): void {
    if (count === 0) return
    const cleared = Number(libc.syscall(SYS_fallocate, this.#fd, punchHole, offset, placeBytes, 0, 0))
    checked(cleared, 'fallocate of the stream buffer')
  }
}

/** Makes the file and shows it to the guest. @throws SyscallError of mount(2) and its kin; errors of the system. */
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
    // The daemon is root of its own namespace alone.
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
