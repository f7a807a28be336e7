import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { mirrorLimits, VolumeMirror, type VolumeSource } from './volume-mirror.ts'

let base: string
let volume: string
let copy: string
/** The calls that the copy got, in order. */
let log: string[]
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/mirror-`)
  volume = `${base}/volume`
  copy = `${base}/copy`
  mkdirSync(volume)
  log = []
})
afterEach(() => rmSync(base, { recursive: true }))

/** A directory of the host's, as the agent sees it in the share. */
function source(): VolumeSource {
  return {
    facts(path) {
      const facts = lstatSync(volume + path, { throwIfNoEntry: false })
      return facts && { ...facts, mtime: facts.mtimeMs }
    },
    names: (path) => readdirSync(volume + path).sort(),
    linkTo: (path) =>
      lstatSync(volume + path, { throwIfNoEntry: false })?.isSymbolicLink()
        ? readlinkSync(volume + path)
        : undefined,
    read: (path, size) =>
      existsSync(volume + path) ? readFileSync(volume + path).subarray(0, size) : undefined,
  }
}

function mirror(from = source()): VolumeMirror {
  return new VolumeMirror(from, {
    put({ path, facts, linkTo }, data) {
      log.push(`put ${path}`)
      const target = copy + path
      if (linkTo !== undefined) {
        symlinkSync(linkTo, `${target}.part`)
        renameSync(`${target}.part`, target)
      } else if (data === undefined) mkdirSync(target, { recursive: true })
      else writeFileSync(target, data)
      if (linkTo === undefined) chmodSync(target, facts.mode & 0o7777)
    },
    remove(path) {
      log.push(`remove ${path}`)
      if (lstatSync(copy + path).isDirectory()) rmdirSync(copy + path)
      else unlinkSync(copy + path)
    },
  })
}

/** Writes a version as kubelet's atomic writer does, but the old version stays. */
function publish(version: string, files: Record<string, string>): void {
  mkdirSync(`${volume}/${version}`)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${volume}/${version}/${name}`, text)
  symlinkSync(version, `${volume}/..data_tmp`)
  renameSync(`${volume}/..data_tmp`, `${volume}/..data`)
  for (const name of Object.keys(files))
    if (!existsSync(`${volume}/${name}`)) symlinkSync(`..data/${name}`, `${volume}/${name}`)
  for (const name of readdirSync(volume))
    if (!name.startsWith('..') && !(name in files)) unlinkSync(`${volume}/${name}`)
}

const copied = (name: string) => readFileSync(`${copy}/${name}`, 'utf8')

test('a volume is copied with its modes, and then left alone', () => {
  publish('..1', { key: 'one', '-first': 'x' })
  chmodSync(`${volume}/..1/key`, 0o400)
  const watched = mirror()
  expect(watched.look()).toBe('copied')
  expect([copied('key'), readlinkSync(`${copy}/key`), readlinkSync(`${copy}/..data`)]).toEqual([
    'one',
    '..data/key',
    '..1',
  ])
  expect(lstatSync(`${copy}/..1/key`).mode & 0o777).toBe(0o400)
  log = []
  expect([watched.look(), watched.look()]).toEqual(['same', 'same'])
  expect(log).toEqual([])
})

test('the version that is gone is looked for once more, so that the share’s server may let go of it', () => {
  publish('..1', { key: 'one' })
  const asked: string[] = []
  const from = source()
  const watched = mirror({
    ...from,
    facts(path) {
      asked.push(path)
      return from.facts(path)
    },
  })
  watched.look()
  watched.look()
  publish('..2', { key: 'two' })
  rmSync(`${volume}/..1`, { recursive: true })
  asked.length = 0
  watched.look()
  expect(asked).not.toContain('/..1')
  watched.look()
  expect(asked.filter((path) => path.startsWith('/..1'))).toEqual(['/..1'])
})

test('a new version comes as a whole: its files, the link to it, other links; the old one goes a look later', () => {
  publish('..1', { key: 'one' })
  const watched = mirror()
  watched.look()
  watched.look()
  log = []
  publish('..2', { key: 'two', '-new': 'n' })
  rmSync(`${volume}/..1`, { recursive: true })
  expect(watched.look()).toBe('copied')
  expect(log.slice(0, 1)).toEqual(['put /..2'])
  expect(log.slice(1, 3).toSorted()).toEqual(['put /..2/-new', 'put /..2/key'])
  expect(log.slice(3)).toEqual(['put /..data', 'put /-new'])
  expect([copied('key'), copied('-new'), copied('..1/key')]).toEqual(['two', 'n', 'one'])
  log = []
  expect(watched.look()).toBe('copied')
  expect(log).toEqual(['remove /..1/key', 'remove /..1'])
  expect([watched.look(), watched.look()]).toEqual(['same', 'same'])
})

test('a version that the link does not lead to yet is not there', () => {
  publish('..1', { key: 'one' })
  const watched = mirror()
  watched.look()
  mkdirSync(`${volume}/..2`)
  writeFileSync(`${volume}/..2/key`, 'ha')
  symlinkSync('..2', `${volume}/..data_tmp`)
  watched.look()
  expect(readdirSync(copy).sort()).toEqual(['..1', '..data', 'key'])
})

test('a key that is gone goes, with the look after', () => {
  publish('..1', { key: 'one', other: 'x' })
  const watched = mirror()
  watched.look()
  publish('..2', { key: 'one' })
  for (let looks = 0; looks < 2; looks++) watched.look()
  expect(readdirSync(copy).sort()).toEqual(['..2', '..data', 'key'])
})

test('a look into the midst of a change copies nothing', () => {
  publish('..1', { key: 'one' })
  const from = source()
  let swap = () => {}
  const watched = mirror({
    ...from,
    read(path, size) {
      swap()
      return from.read(path, size)
    },
  })
  watched.look()
  publish('..2', { key: 'two' })
  log = []
  swap = () => {
    swap = () => {}
    publish('..3', { key: 'three' })
  }
  expect(watched.look()).toBe('moving')
  expect(log).toEqual([])
  expect(watched.look()).toBe('copied')
  expect(copied('key')).toBe('three')
})

test('what does not fit leaves the copy as it was, until it fits again', () => {
  publish('..1', { key: 'one' })
  const watched = mirror()
  watched.look()
  const many = Object.fromEntries(Array.from({ length: mirrorLimits.files + 1 }, (_, n) => [`k${n}`, '']))
  log = []
  for (const [version, files] of Object.entries({
    '..2': many,
    '..3': { key: 'x'.repeat(mirrorLimits.bytes + 1) },
  })) {
    publish(version, files)
    expect(watched.look()).toBe('large')
  }
  expect(log).toEqual([])
  expect(copied('key')).toBe('one')
  const { k0: _one, ...fits } = many
  publish('..4', { ...fits })
  expect(watched.look()).toBe('copied')
  expect(copied('k1')).toBe('')
})

test('nor do more directories and links than a volume of that many files has', () => {
  for (let link = 0; link < 127; link++) symlinkSync('nowhere', `${volume}/${link}`)
  // The top itself counts as an entry.
  expect(mirror().look()).toBe('copied')
  rmSync(copy, { recursive: true })
  mkdirSync(`${volume}/more`)
  expect(mirror().look()).toBe('large')
  expect(existsSync(copy)).toBe(false)
})

test('a volume that nobody writes atomically follows as well, and a name may become something else', () => {
  mkdirSync(`${volume}/a`)
  writeFileSync(`${volume}/a/key`, 'one')
  const watched = mirror()
  watched.look()
  writeFileSync(`${volume}/a/key`, 'other')
  watched.look()
  expect(copied('a/key')).toBe('other')
  rmSync(`${volume}/a`, { recursive: true })
  writeFileSync(`${volume}/a`, 'file')
  watched.look()
  expect(copied('a')).toBe('file')
})

test('what failed half-way is gone on with', () => {
  publish('..1', { key: 'one' })
  const from = source()
  let broken = true
  const watched = mirror({
    ...from,
    facts(path) {
      if (broken && path === '/key') throw new Error('no')
      return from.facts(path)
    },
  })
  expect(() => watched.look()).toThrow('no')
  broken = false
  expect(watched.look()).toBe('copied')
  expect(copied('key')).toBe('one')
})
