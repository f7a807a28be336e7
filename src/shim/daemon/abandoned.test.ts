import { expect, test } from 'bun:test'
import { whenAbandoned } from './abandoned.ts'

/** How many looks it took until the shim counted as abandoned, when it is alone at those of `alone`. */
async function looks(alone: readonly boolean[]): Promise<number> {
  let count = 0
  await whenAbandoned(() => alone[count++] ?? false, 1)
  return count
}

test('a shim is abandoned once it was alone at two looks in a row', async () => {
  expect(await looks([true, true])).toBe(2)
  expect(await looks([false, true, false, true, true])).toBe(5)
})
