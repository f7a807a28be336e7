/** The limits of a whole image, over all of its layers: a small archive must not fill the disk, nor the memory of root's process. */
import { KataError } from '../../errors.ts'

export interface UnpackLimits {
  /** Sum of the contents and extended attributes of all files, bytes. */
  readonly bytes: number
  /** With the directories that only paths speak of. */
  readonly entries: number
}

/** Sum of the lengths of all names: what is kept of them while a layer is unpacked. */
const mostNameBytes = 256 * 2 ** 20

export interface Counted {
  /** The size of its content, bytes. */
  readonly size: number
  readonly name: string
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

  /** Counts one entry. @throws KataError ROOTFS_TOO_LARGE. */
  take({ size, name, xattrs = new Map() }: Counted): void {
    const { bytes, entries } = this.limits
    this.#bytes += size
    for (const value of xattrs.values()) this.#bytes += value.length
    this.#entries += 1
    this.#nameBytes += name.length
    if (this.#bytes > bytes) this.#refuse(`${bytes} bytes`)
    if (this.#entries > entries) this.#refuse(`${entries} entries`)
    if (this.#nameBytes > mostNameBytes) this.#refuse(`${mostNameBytes} bytes of names`)
  }

  #refuse(limit: string): never {
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'the content', limit })
  }
}
