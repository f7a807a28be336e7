import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { parseVolume } from './volume.ts'

const directory = mkdtempSync(`${tmpdir()}/volume-`)
afterAll(() => rmSync(directory, { recursive: true }))

test('reads source, destination and mode', () => {
  expect(parseVolume(`${directory}:/data`)).toEqual({
    source: directory,
    destination: '/data',
    readonly: false,
  })
  expect(parseVolume(`${directory}:/data:rw`).readonly).toBe(false)
  expect(parseVolume(`${directory}:/data:ro`).readonly).toBe(true)
})

test('a source that begins with a dot is one of the working directory', () => {
  for (const [text, path] of [
    ['.:/data', process.cwd()],
    ['./src/../src:/data:ro', `${process.cwd()}/src`],
    ['..:/data', dirname(process.cwd())],
  ] as const)
    expect(parseVolume(text).source).toBe(path)
  expect(() => parseVolume('./no-such:/data')).toThrow('[VOLUME_SOURCE_MISSING]')
})

test('normalises the destination, so that no .. reaches the runtime', () => {
  expect(parseVolume(`${directory}:/a/../b//c/`).destination).toBe('/b/c')
})

test("resolves the system's links, and refuses one that a pod may have made", () => {
  expect(parseVolume('/var/run:/data').source).toBe('/run')
  symlinkSync(directory, `${directory}/link`)
  expect(() => parseVolume(`${directory}/link:/data`)).toThrow(/^\[SOURCE_LINK\].*volume-\w+\/link /)
})

test.each([
  ['/etc', 'form'],
  ['/etc:/a:ro:z', 'form'],
  ['etc:/a', 'absolute.*no volumes by name'],
  ['.src:/a', 'absolute.*write ./.src'],
  [':/a', 'absolute'],
  ['/etc:a', 'absolute'],
  ['/etc:', 'absolute'],
  ['/etc:/a:rx', 'none of ro, rw, ext4'],
  ['/etc:/', '--rootfs'],
  ['/etc:/a/..', '--rootfs'],
])('refuses %p', (text, reason) => {
  expect(() => parseVolume(text)).toThrow(new RegExp(`^\\[VOLUME_INVALID\\].*${reason}`))
})

test('a missing source is named', () => {
  expect(() => parseVolume('/no/such/path:/a')).toThrow(/^\[VOLUME_SOURCE_MISSING\].*\/no\/such\/path/)
})
