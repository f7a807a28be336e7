import { describe, expect, test } from 'bun:test'
import { type IdExtent, idMapLines } from '../linux/processes/user-namespace.ts'
import { hasPlace, lastId, shareIdMap, upperHalf } from './share-id-map.ts'

const block = { first: 0x70000000, count: 65535 }
const overlap = (a: number, b: number, count: number, other: number) => a < b + other && b < a + count

/** Two extents that overlap on one side. */
function clashes(map: readonly IdExtent[]): [IdExtent, IdExtent][] {
  return map.flatMap((a, index) =>
    map
      .slice(index + 1)
      .filter(
        (b) =>
          overlap(a.inside, b.inside, a.count, b.count) || overlap(a.outside, b.outside, a.count, b.count),
      )
      .map((b): [IdExtent, IdExtent] => [a, b]),
  )
}

const many = Array.from({ length: 400 }, (_, index) => 3_000_000_000 + 2 * index)

describe.each([
  ['no id is known', []],
  ['some are, twice', [0, 65535, 3_000_000_000, 3_000_000_000, lastId]],
  ['more than there are lines', many],
])('when %s', (_, known) => {
  const map = shareIdMap(block, known)

  test('root is the first of the block', () =>
    expect(map[0]).toEqual({ inside: 0, outside: block.first, count: 65535 }))

  test('no id stands for two', () => expect(clashes(map)).toEqual([]))

  test('outside of the block there is nobody of the host: no id below 2^31', () => {
    for (const { outside, count } of map.slice(1)) {
      expect(outside).toBeGreaterThanOrEqual(upperHalf)
      expect(outside + count - 1).toBeLessThanOrEqual(lastId)
    }
  })

  test('the kernel takes as many lines, and as much text', () => {
    expect(map.length).toBeLessThanOrEqual(340)
    expect(idMapLines(map).join('\n').length).toBeLessThan(4096)
  })

  test('whatever Kubernetes and Docker can ask for has a place, and the last ids', () => {
    for (const id of [
      0,
      65534,
      65535,
      65536,
      1_000_660_000,
      2 ** 31 - 2,
      2 ** 31 - 1,
      lastId - 32767,
      lastId,
    ])
      expect([id, hasPlace(map, id)]).toEqual([id, true])
  })

  test('none of the others has, but those that are known', () => {
    for (const id of [2 ** 31, 3_000_000_001, lastId - 32768, lastId + 1, -1])
      expect([id, hasPlace(map, id)]).toEqual([id, false])
    const placed = known.filter((id) => hasPlace(map, id))
    expect(placed).toEqual(known.slice(0, 156))
  })
})
