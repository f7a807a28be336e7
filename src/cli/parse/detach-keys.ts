/** `--detach-keys KEY,KEY...`: what a person types to leave a container without ending it. */
import { KataError } from '../../errors.ts'

/** As in docker: ctrl-p, ctrl-q. */
export const defaultDetachKeys = 'ctrl-p,ctrl-q'

const mostKeys = 8

/** The bytes to type; none for an empty text, which switches detaching off. @throws KataError OPTION_INVALID. */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === '') return new Uint8Array()
  const keys = text.split(',').map(byteOf)
  if (keys.length > mostKeys || keys.includes(undefined))
    throw new KataError('OPTION_INVALID', {
      option: '--detach-keys',
      value: text,
      allowed: 'keys separated by commas, each a character or ctrl- with one of a-z @ [ \\ ] ^ _',
    })
  return Uint8Array.from(keys as number[])
}

function byteOf(key: string): number | undefined {
  const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
  // A terminal sends the letter without its two upper bits.
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f
  return /^[!-~]$/.test(key) ? key.charCodeAt(0) : undefined
}

/** Looks for the keys in what a person types. */
export class DetachKeys {
  readonly #keys: Uint8Array
  /** How many of the keys came last. They are held back until it is clear what they were. */
  #typed = 0

  constructor(keys: Uint8Array) {
    this.#keys = keys
  }

  /** What of the input is for the container, and whether the person leaves it. */
  feed(chunk: Uint8Array): { readonly bytes: Uint8Array; readonly leaves: boolean } {
    if (this.#keys.length === 0) return { bytes: chunk, leaves: false }
    const bytes: number[] = []
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#typed]) {
        bytes.push(...this.#keys.subarray(0, this.#typed))
        this.#typed = 0
      }
      if (byte !== this.#keys[this.#typed]) bytes.push(byte)
      else if (++this.#typed === this.#keys.length) return { bytes: Uint8Array.from(bytes), leaves: true }
    }
    return { bytes: Uint8Array.from(bytes), leaves: false }
  }
}
