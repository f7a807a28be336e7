/** UTF-8 with the engine's own codecs, made on first use: an engine without them (QuickJS) gets its own before the first call. */
let encoder: { encode(text: string): Uint8Array } | undefined
let decoder: { decode(bytes: Uint8Array): string } | undefined

export function encodeUtf8(text: string): Uint8Array {
  encoder ??= new TextEncoder()
  return encoder.encode(text)
}

/** Bytes that are no UTF-8 become replacement characters. */
export function decodeUtf8(bytes: Uint8Array): string {
  // A mark of the byte order is a character of the text.
  decoder ??= new TextDecoder('utf-8', { ignoreBOM: true })
  return decoder.decode(bytes)
}
