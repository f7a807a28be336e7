/** What the shared code expects of every engine and QuickJS has under other names. Must be imported first. */
import { clearTimeout, setTimeout, type Timer } from 'os'
import { utf8Decode, utf8Encode } from 'syscalls'

class Utf8Encoder {
  encode(text: string): Uint8Array {
    return utf8Encode(text)
  }
}

class Utf8Decoder {
  decode(bytes: Uint8Array): string {
    return utf8Decode(bytes)
  }
}

Object.assign(globalThis, {
  TextEncoder: Utf8Encoder,
  TextDecoder: Utf8Decoder,
  setTimeout: (action: () => void, milliseconds: number): Timer => setTimeout(action, milliseconds),
  clearTimeout: (timer: Timer | undefined): void => {
    if (timer !== undefined) clearTimeout(timer)
  },
})
