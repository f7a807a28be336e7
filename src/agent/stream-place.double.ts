/** The buffer that host and guest share, in this process's memory. */
import type { StreamPlace } from './stream-place.ts'

export const places = { size: 1024 * 1024, count: 2 }

export function streamPlaces() {
  const memory = new Uint8Array(places.count * places.size)
  /** Offsets of those that nobody has. */
  const free = Array.from({ length: places.count }, (_, index) => index * places.size)
  /** The bytes of each that was given back. */
  const back: number[] = []
  const lendPlace = (): StreamPlace | undefined => {
    const offset = free.shift()
    if (offset === undefined) return undefined
    return {
      offset,
      size: places.size,
      take: (from, count) => memory.slice(offset + from, offset + from + count),
      put: (bytes) => {
        memory.set(bytes, offset)
        return true
      },
      giveBack: (count) => {
        back.push(count)
        free.push(offset)
      },
    }
  }
  return { memory, free, back, lendPlace }
}
