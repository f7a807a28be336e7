import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readIndex, writeIndex } from './index-file.ts'
import { makeStore, storePaths } from './store-paths.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/index-`)
})
afterEach(() => rmSync(base, { recursive: true }))

const entry = (name: string) => ({ name, digest: 'sha256:0', mediaType: 'x', size: 1, pulledAt: '' })

test.each([
  ['names', 65_536, 1],
  ['bytes', 510, 128 << 10],
])('an index with more %s than are read leaves the one that was there', (_, most, length) => {
  const paths = storePaths(base)
  makeStore(paths)
  const entries = Array.from({ length: most + 2 }, (_, index) => entry(`${index}`.padEnd(length, 'x')))
  writeIndex(paths, entries.slice(0, most))
  expect(readIndex(paths)).toHaveLength(most)
  expect(() => writeIndex(paths, entries)).toThrow('[IMAGE_NAMES_TOO_MANY]')
  expect(readIndex(paths)).toHaveLength(most)
  expect(existsSync(`${paths.index}.new`)).toBe(false)
})
