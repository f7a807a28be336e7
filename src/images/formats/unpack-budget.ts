/** The limits of a whole image, over all of its layers: a small archive must not fill the disk, nor the memory of root's process. */
import { KataError } from '../../errors.ts'

export interface UnpackLimits {
  /** Sum of the contents of all files, bytes. */
  readonly bytes: number
  readonly entries: number
}

/** Sum of the lengths of all names: what is kept of them while a layer is unpacked. */
const mostNameBytes = 256 * 2 ** 20

export class UnpackBudget {
  readonly limits: UnpackLimits
  #bytes = 0
  #entries = 0
  #nameBytes = 0

  constructor(limits: UnpackLimits) {
    this.limits = limits
  }

  /** Counts one entry. @throws KataError ROOTFS_TOO_LARGE. */
  take({ size, name }: { readonly size: number; readonly name: string }): void {
    const { bytes, entries } = this.limits
    this.#bytes += size
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
