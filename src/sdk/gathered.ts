const firstBytes = 4096

/** Bytes that came in pieces. They are joined at once: a program that writes byte by byte would have each cost a hundred. */
export class Gathered {
  #memory = new Uint8Array(firstBytes)
  #length = 0

  push(piece: Uint8Array): void {
    const length = this.#length + piece.length
    if (length > this.#memory.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#memory.length))
      larger.set(this.#memory.subarray(0, this.#length))
      this.#memory = larger
    }
    this.#memory.set(piece, this.#length)
    this.#length = length
  }

  /** A copy of all of them. */
  bytes(): Uint8Array {
    return this.#memory.slice(0, this.#length)
  }
}
