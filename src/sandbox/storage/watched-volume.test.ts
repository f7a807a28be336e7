import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { howToShow, isInApiVolume, unwatchedWarning, watchedStorage } from './watched-volume.ts'

let pod: string
beforeEach(() => {
  pod = mkdtempSync(`${tmpdir()}/watched-`)
})
afterEach(() => rmSync(pod, { recursive: true }))

const mount = (source: string, ...options: string[]) => ({
  destination: '/etc/app',
  type: 'bind',
  source,
  options: ['rbind', ...options],
})
/** Below the pod's directory. */
function volume(path: string): string {
  mkdirSync(`${pod}/${path}`, { recursive: true })
  return `${pod}/${path}`
}
const configMap = () => volume('volumes/kubernetes.io~configmap/v')
const fill = (directory: string, count: number, bytes = 0) => {
  mkdirSync(directory, { recursive: true })
  for (let index = 0; index < count; index++) writeFileSync(`${directory}/key-${index}`, Buffer.alloc(bytes))
}

test.each(['configmap', 'secret', 'projected', 'downward-api'])('a %s is watched', (kind) => {
  const source = volume(`volumes/kubernetes.io~${kind}/v`)
  for (const path of [source, `${source}/`]) expect(howToShow(mount(path, 'ro'), 'c')).toBe('watched')
  expect(isInApiVolume(`${source}/key`)).toBe(true)
})

test.each([
  'volumes/kubernetes.io~configmap',
  'volumes/kubernetes.io~configmap/v/nested',
  'volumes/kubernetes.io~empty-dir/v',
  'volumes/kubernetes.io~csi/v',
  'volume-subpaths/settings/app/0',
  'etc-hosts',
])('%s is shared', (path) => {
  expect(howToShow(mount(volume(path), 'ro'), 'c')).toBe('shared')
})

test('one that may be written is shared, and so is one that is a file', () => {
  expect(howToShow(mount(configMap()), 'c')).toBe('shared')
  writeFileSync(`${pod}/volumes/kubernetes.io~configmap/file`, '')
  expect(howToShow(mount(`${pod}/volumes/kubernetes.io~configmap/file`, 'ro'), 'c')).toBe('shared')
})

test.each([
  ['16 files', 16, 0, 'watched'],
  ['17 files', 17, 0, 'too large'],
  ['1 MiB', 2, 512 * 1024, 'watched'],
  ['a byte more in each', 2, 512 * 1024 + 1, 'too large'],
  ['more than is looked at', 300, 0, 'too large'],
])('with %s', (_, count, bytes, way) => {
  const source = configMap()
  fill(`${source}/..1`, count, bytes)
  symlinkSync('..1', `${source}/..data`)
  for (let index = 0; index < count; index++) symlinkSync(`..data/key-${index}`, `${source}/key-${index}`)
  expect(howToShow(mount(source, 'ro'), 'c')).toBe(way as 'watched')
})

test('a version that kubelet is writing or removing does not count', () => {
  const source = configMap()
  fill(`${source}/..1`, 16)
  fill(`${source}/..2`, 16)
  symlinkSync('..2', `${source}/..data`)
  expect(howToShow(mount(source, 'ro'), 'c')).toBe('watched')
})

test('the agent is asked as Kata’s runtime asks, each container for a copy of its own', () => {
  const shown = mount('/run/kata-containers/shared/containers/c1-0-app', 'ro')
  const ask = () => watchedStorage(shown, 'c1', '/run/kata-containers/shared/containers/watchable')
  expect(ask()).toEqual({
    driver: 'watchable-bind',
    source: '/run/kata-containers/shared/containers/c1-0-app',
    fstype: 'bind',
    options: ['rbind', 'ro'],
    mountPoint: expect.stringMatching(
      /^\/run\/kata-containers\/shared\/containers\/watchable\/c1-[0-9a-f]{16}-app$/,
    ),
    shared: false,
  })
  expect(ask().mountPoint).not.toBe(ask().mountPoint)
})

test('the warning names the volume', () => {
  expect(unwatchedWarning('/pods/v')).toMatch(/^\/pods\/v has more than 16 files or 1024 KiB: /)
})
