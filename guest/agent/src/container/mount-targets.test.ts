import { afterAll, beforeEach, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mount } from '../../../../src/protocol/generated/oci.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'mount-targets-'))
afterAll(() => rmSync(top, { recursive: true }))
const { makeLinkTargets } = (
  await loadOnHost<typeof import('./mount-targets.ts')>('container/mount-targets.ts', join(top, 'share'))
).module

const [root, directory, file] = ['root', 'directory', 'file'].map((name) => join(top, name)) as [
  string,
  string,
  string,
]
mkdirSync(directory)
writeFileSync(file, 'of the host')
beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(join(root, 'etc'), { recursive: true })
})

const bind = (source: string, destination: string): Mount => ({
  source,
  destination,
  type: 'bind',
  options: ['rbind', 'ro'],
})
const link = (name: string, target: string) => symlinkSync(target, join(root, name))
const isFile = (name: string) => lstatSync(join(root, name)).isFile()
const isDirectory = (name: string) => lstatSync(join(root, name)).isDirectory()

test('a directory behind a link that leads nowhere yet, at the end of the way and before it', () => {
  link('run', '/made/run')
  link('data', 'store/data')
  link('etc/lib', '/var/lib')
  const secrets = bind(directory, '/run/secrets/account')
  expect(makeLinkTargets(root, [secrets, bind(directory, '/data'), bind(directory, '/etc/lib/x')])).toBe(true)
  for (const name of ['made/run/secrets/account', 'store/data', 'var/lib/x'])
    expect(isDirectory(name)).toBe(true)
  expect(makeLinkTargets(root, [secrets])).toBe(false)
})

test('a file by a link that is relative to its own directory, and by one link after the other', () => {
  link('etc/hosts', 'hosts2')
  link('etc/resolv.conf', './a')
  link('etc/a', '../b//resolv.conf')
  makeLinkTargets(root, [bind(file, '/etc/hosts'), bind(file, '/etc/resolv.conf')])
  expect([isFile('etc/hosts2'), isFile('b/resolv.conf')]).toEqual([true, true])
})

test('a file system that is no bind has a directory', () => {
  link('cache', '/var/cache')
  makeLinkTargets(root, [{ source: 'tmpfs', destination: '/cache', type: 'tmpfs', options: ['size=1m'] }])
  expect(isDirectory('var/cache')).toBe(true)
})

test('no link leads out of the root', () => {
  link('up', '../../../../outside')
  link('etc/up', '../../outside2')
  makeLinkTargets(root, [bind(directory, '/up'), bind(directory, '/etc/up'), bind(directory, '/../up/../x')])
  expect([isDirectory('outside'), isDirectory('outside2')]).toEqual([true, true])
  expect([existsSync(join(top, 'outside')), existsSync(join(top, 'x'))]).toEqual([false, false])
})

test('nothing is made without a link, by one that is there, in a circle, or below a file', () => {
  link('circle', 'circle')
  link('etc/there', 'passwd')
  link('etc/below', 'passwd/x')
  writeFileSync(join(root, 'etc/passwd'), 'stays')
  const destinations = ['/new/place', '/circle', '/etc/there', '/etc/below']
  expect(
    makeLinkTargets(
      root,
      destinations.map((to) => bind(file, to)),
    ),
  ).toBe(false)
  expect(readdirSync(root).sort()).toEqual(['circle', 'etc'])
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toBe('stays')
})
