/** What a command reads: text, bytes, or a stream of either. */
export type InputData =
  | string
  | Uint8Array
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>

/** In pieces, one at a time. */
export function chunksOf(
  data: InputData,
): AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string> {
  return typeof data === 'string' || data instanceof Uint8Array ? [data] : data
}
