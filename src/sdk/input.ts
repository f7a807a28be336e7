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

/** The chunks. What is asked for one when `over` settles is told that nobody wants it any more. */
export function untilOver<T>(
  chunks: AsyncIterable<T> | Iterable<T>,
  over: Promise<unknown>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const source =
        Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
      let isOver = false
      const end = async () => {
        if (!isOver) {
          isOver = true
          await source.return?.()
        }
        return { done: true, value: undefined } as const
      }
      const tell = () => void end().catch(() => {})
      over.then(tell, tell)
      return {
        async next() {
          try {
            const { done = false, value } = await source.next()
            isOver ||= done
            return { done, value: await value }
          } catch (error) {
            isOver = true
            throw error
          }
        },
        return: end,
      }
    },
  }
}
