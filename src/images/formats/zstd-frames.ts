/** Where the frames of a Zstandard file end (RFC 8878, 3.1): the decompressor takes a file that was cut for a whole one. Pure. */

const frameMagic = 0xfd2fb528
/** The last four bits are anything. */
const skippableMagic = 0x184d2a50
const blockTypes = { runLength: 1, reserved: 3 }
const checksumBytes = 4

type State = 'magic' | 'descriptor' | 'block' | 'skippable' | 'damaged'
/** Bytes that decide what follows. */
const headBytes: Readonly<Record<State, number>> = {
  magic: 4,
  descriptor: 1,
  block: 3,
  skippable: 4,
  damaged: Number.POSITIVE_INFINITY,
}

export class ZstdFrames {
  #state: State = 'magic'
  readonly #head = Buffer.alloc(4)
  #headLength = 0
  /** Bytes that say nothing about what follows them. */
  #skipped = 0
  #hasChecksum = false

  /** What was told of so far is one frame or more, whole, and nothing else. */
  get isWhole(): boolean {
    return this.#state === 'magic' && this.#headLength === 0 && this.#skipped === 0
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#state !== 'damaged'; ) {
      if (this.#skipped > 0) {
        const count = Math.min(this.#skipped, bytes.length - at)
        this.#skipped -= count
        at += count
      } else {
        this.#head[this.#headLength++] = bytes[at++]!
        if (this.#headLength === headBytes[this.#state]) this.#next()
      }
    }
  }

  #next(): void {
    this.#headLength = 0
    if (this.#state === 'magic') this.#state = afterMagic(this.#head.readUInt32LE())
    else if (this.#state === 'descriptor') {
      const descriptor = this.#head[0]!
      this.#hasChecksum = (descriptor & 4) !== 0
      this.#skipped = headerBytes(descriptor)
      this.#state = 'block'
    } else if (this.#state === 'block') this.#block(this.#head.readUIntLE(0, 3))
    else {
      this.#skipped = this.#head.readUInt32LE()
      this.#state = 'magic'
    }
  }

  #block(header: number): void {
    const [isLast, type, size] = [(header & 1) !== 0, (header >> 1) & 3, header >> 3]
    if (type === blockTypes.reserved) {
      this.#state = 'damaged'
      return
    }
    this.#skipped = type === blockTypes.runLength ? 1 : size
    if (!isLast) return
    if (this.#hasChecksum) this.#skipped += checksumBytes
    this.#state = 'magic'
  }
}

function afterMagic(magic: number): State {
  if (magic === frameMagic) return 'descriptor'
  return (magic & 0xfffffff0) >>> 0 === skippableMagic ? 'skippable' : 'damaged'
}

/** Behind the descriptor: the window's size, a dictionary's id and the size of the content. */
function headerBytes(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!
  return (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + contentSize
}
