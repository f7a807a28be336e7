import { expect, test } from 'bun:test'
import { parseWorkdir, requirePlaces } from './place-in-container.ts'

const at = (...places: string[]) => places.map((destination) => ({ destination }))

test('a place is taken once', () => {
  requirePlaces(at('/a', '/a/b', '/b'))
  expect(() => requirePlaces(at('/a', '/b', '/a'))).toThrow('[OPTION_CONFLICT] two mounts on "/a"')
})

test('a container begins at an absolute path', () => {
  expect(parseWorkdir('/srv')).toBe('/srv')
  for (const text of ['srv', './srv']) expect(() => parseWorkdir(text)).toThrow('[OPTION_INVALID] --workdir')
})
