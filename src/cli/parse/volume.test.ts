import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseVolume as parse } from './volume.ts'

const parseVolume = (text: string) => parse(text, (name) => `/volumes/${name}`)

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
    ['.:/data', resolve('.')],
    ['./src/../src:/data:ro', resolve('src')],
    ['..:/data', resolve('..')],
  ] as const)
    expect(parseVolume(text).source).toBe(path)
  expect(() => parseVolume('./no-such:/data')).toThrow('[VOLUME_SOURCE_MISSING]')
})

test('the devices of the machine may take the place of those of the container', () => {
  for (const source of ['/dev', '//dev', '/dev/.', '/dev/', '/etc/../dev'])
    expect(parseVolume(`${source}:/dev`).destination).toBe('/dev')
  expect(parseVolume(`${directory}:/dev/shm`).destination).toBe('/dev/shm')
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
  ['etc', 'form'],
  ['/etc', 'every volume has a name'],
  ['/etc:/a:ro:z', 'form'],
  ['etc/b:/a', 'absolute.*nor a name.*write ./etc/b'],
  ['.src:/a', 'absolute.*write ./.src'],
  [':/a', 'absolute'],
  ['/etc:a', 'absolute'],
  ['/etc:', 'absolute'],
  ['/etc:/a:rx', 'none of ro, rw, ext4'],
  ['/etc:/a:ext4', 'neither a block device nor a disk image'],
  ['/etc:/a:ext4,xfs', 'option xfs is none of'],
  ['/etc:/a:ro,rw', 'ro or rw more than once'],
  ['files:/a:rw,nocopy,ro', 'ro or rw more than once'],
  ['/etc:/', '--rootfs'],
  ['/etc:/a/..', '--rootfs'],
  ['/etc:/dev', 'hide the devices'],
  ['files:/dev/', 'hide the devices'],
])('refuses %p', (text, reason) => {
  expect(() => parseVolume(text)).toThrow(new RegExp(`^\\[VOLUME_INVALID\\].*${reason}`))
})

test('a missing source is named', () => {
  expect(() => parseVolume('/no/such/path:/a')).toThrow(/^\[VOLUME_SOURCE_MISSING\].*\/no\/such\/path/)
})

test('a name is one of a volume', () => {
  expect(parseVolume('data:/srv/data')).toEqual({
    source: '/volumes/data',
    destination: '/srv/data',
    readonly: false,
    name: 'data',
  })
  expect(parseVolume('data:/x:ro,nocopy')).toMatchObject({ readonly: true, noCopy: true })
  expect(() => parseVolume('data:/x:ext4')).toThrow('none of ro, rw, nocopy')
})

test('words of docker’s that mean nothing here are taken, others refused with the reason', () => {
  for (const word of ['z', 'Z', 'cached', 'rprivate'])
    expect(parseVolume(`data:/x:ro,${word}`)).toEqual(parseVolume('data:/x:ro'))
  expect(() => parseVolume('data:/x:rshared')).toThrow('do not propagate into a machine')
  expect(() => parseVolume('/etc:/x:U')).toThrow('run chown yourself')
})
