import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
  ['./src:/a', 'absolute.*write \\$PWD/src'],
  ['../src:/a', 'absolute.*write \\$PWD/../src'],
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
