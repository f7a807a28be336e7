/**
 * The chunks of a source, in order. Those that come while the taker works are joined, up to about `most()` bytes; beyond that the source waits.
 *
 * @throws what the source throws, behind what came before it.
 */
export async function* gathered(
  source: AsyncIterable<Uint8Array>,
  most: () => number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let chunks: Uint8Array[] = []
  let bytes = 0
  let reading: Promise<void> | undefined
  let end: { readonly error?: unknown } | undefined
  const read = () => {
    reading = iterator.next().then(
      ({ done, value }) => {
        reading = undefined
        if (done) end = {}
        else {
          chunks.push(value)
          bytes += value.length
          if (bytes < most()) read()
        }
      },
      (error) => {
        reading = undefined
        end = { error }
      },
    )
  }
  try {
    while (end === undefined || chunks.length > 0) {
      if (end === undefined && reading === undefined) read()
      if (chunks.length === 0) await reading
      else {
        const joined = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
        chunks = []
        bytes = 0
        yield joined
      }
    }
    if ('error' in end) throw end.error
  } finally {
    // Not waited for: a source may be read from at this moment, and end only with what feeds it.
    iterator.return?.().catch(() => {})
  }
}
