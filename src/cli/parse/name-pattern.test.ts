import { expect, test } from 'bun:test'
import { isNamed } from './name-pattern.ts'

test('it finds what the engine finds, for every short pattern and name', () => {
  const words = (letters: readonly string[], most: number): string[] =>
    most === 0
      ? ['']
      : ['', ...letters.flatMap((letter) => words(letters, most - 1).map((rest) => letter + rest))]
  const names = words(['a', 'b', '.'], 4)
  const bodies = words(['a', 'b', '.', '\\.', '.*'], 4)
  for (const body of new Set(bodies))
    for (const pattern of [body, `^${body}`, `${body}$`, `^${body}$`]) {
      const engine = new RegExp(pattern)
      const wrong = names.filter((name) => isNamed(name, pattern) !== engine.test(name))
      expect([pattern, wrong]).toEqual([pattern, []])
    }
})
