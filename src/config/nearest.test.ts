import { expect, test } from 'bun:test'
import { editDistance, isAtMostOneEdit } from './nearest.ts'

test('at most one edit is what the whole distance calls so', () => {
  const letters = ['', 'a', 'b', 'c']
  const words = letters.flatMap((a) =>
    letters.flatMap((b) => letters.flatMap((c) => letters.map((d) => a + b + c + d))),
  )
  const wrong = words.flatMap((one) =>
    words.filter((other) => isAtMostOneEdit(one, other) !== editDistance(one, other) <= 1),
  )
  expect(wrong).toEqual([])
})
