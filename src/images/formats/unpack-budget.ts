/** The limits of a whole image, over all of its layers: a small archive must not fill the disk, nor the memory of root's process. */
import { KataError } from '../../errors.ts'

export interface UnpackLimits {
  /** What all files take on the disk, as `store/layer-sizes.ts` counts it afterwards, bytes. */
  readonly bytes: number
  /** With the directories that only paths speak of. */
  readonly entries: number
}

/** Sum of the lengths of all names: what is kept of them while a layer is unpacked. */
const mostNameBytes = 256 * 2 ** 20

/** The least that the content of a file, a directory, or the attributes of either take on ext4. */
const blockBytes = 4096
/** ext4 keeps the target of a symbolic link in the inode up to here. */
const inodeBytes = 59

export interface Counted {
  /** As a tar has it. */
  readonly type: string
  /** The size of its content, bytes. */
  readonly size: number
  readonly name: string
  readonly linkName?: string
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
}

export class UnpackBudget {
  readonly limits: UnpackLimits
  #bytes = 0
  #entries = 0
  #nameBytes = 0

  constructor(limits: UnpackLimits) {
    this.limits = limits
  }

  /** What was taken so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Counts one entry. @throws KataError ROOTFS_TOO_LARGE. */
  take(entry: Counted): void {
    const { bytes, entries } = this.limits
    this.#bytes += bytesOnDisk(entry)
    this.#entries += 1
    this.#nameBytes += entry.name.length
    if (this.#bytes > bytes) this.#refuse(`${bytes} bytes`)
    if (this.#entries > entries) this.#refuse(`${entries} entries`)
    if (this.#nameBytes > mostNameBytes) this.#refuse(`${mostNameBytes} bytes of names`)
  }

  #refuse(limit: string): never {
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'the content', limit })
  }
}

function bytesOnDisk({ type, size, linkName = '', xattrs = new Map() }: Counted): number {
  const attributes = [...xattrs].reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + value.length,
    0,
  )
  const own = type === 'directory' || (type === 'symlink' && Buffer.byteLength(linkName) > inodeBytes)
  return (own ? blockBytes : 0) + inBlocks(size) + inBlocks(attributes)
}

const inBlocks = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes
