/**
 * Memory for much output at once. All streams have one block: the channel to the host copies what it takes, so the block is free again at once but
 * for a host that is slow. To use the same memory again is the point of it: a page that is touched for the first time costs more than its copy.
 *
 * Output is copied twice. splice(2) to the channel would copy nothing, and take the buffers of a pipe as its process made them: pages that the process
 * can still write to or that cannot be read, and empty ones. A kernel before 6.15 leaves one behind each write(2) from where no memory is. The
 * driver of virtio-serial breaks on them.
 */
export class OutputBlock {
  readonly #size: number
  #bytes: Uint8Array | undefined
  #isLent = false

  /** `size` in bytes. */
  constructor(size: number) {
    this.#size = size
  }

  /** The first `size` bytes of it; undefined while somebody else has it. */
  lend(size: number): Uint8Array | undefined {
    if (this.#isLent) return undefined
    this.#isLent = true
    this.#bytes ??= new Uint8Array(this.#size)
    return this.#bytes.subarray(0, size)
  }

  giveBack(): void {
    this.#isLent = false
  }
}
