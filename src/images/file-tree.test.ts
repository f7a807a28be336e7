/** What a walk meets that a guest changes meanwhile: each change comes right after the entry was told of. */
import { heapStats } from 'bun:jsc'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../linux/files/fifo.ts'
import { type FoundEntry, openFound, TreeTooDeep, walkFiles } from './file-tree.ts'

let base: string
let layer: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/file-tree-`)
  layer = `${base}/layer`
  mkdirSync(`${layer}/dir`, { recursive: true })
  mkdirSync(`${base}/host`)
  writeFileSync(`${layer}/dir/file`, 'of the guest')
  writeFileSync(`${base}/host/file`, 'of the host')
})
afterEach(() => rmSync(base, { recursive: true }))

const { signal } = new AbortController()
const walk = () => walkFiles([layer], { below: true, signal })

/** Walks, calls `change` once `path` was told of, and returns all paths, and what the file that was found is by then. */
async function walked(path: string, change: () => void) {
  const paths: string[] = []
  let content: string | undefined
  for await (const entry of walk()) {
    paths.push(entry.path.toString())
    if (entry.path.toString() !== path) continue
    change()
    if (entry.stat.isFile()) content = contentOf(entry)
  }
  return { paths, content }
}

function contentOf(entry: FoundEntry): string | undefined {
  const fd = openFound(entry)
  if (fd === undefined) return undefined
  const text = readFileSync(fd, 'utf8')
  closeSync(fd)
  return text
}

test.each([
  ['one layer', 1, true],
  ['the topmost of two', 2, false],
])('the names of a directory are not held in memory: %s', async (_, count, below) => {
  const names = 5000
  const layers = [layer, `${base}/host`].slice(0, count)
  for (let n = 0; n < names; n++) writeFileSync(`${layer}/dir/${'n'.repeat(200)}${n}`, '')
  const strings = () => {
    Bun.gc(true)
    return heapStats().objectTypeCounts.string ?? 0
  }
  const before = strings()
  let [found, held] = [0, 0]
  for await (const _ of walkFiles(layers, { below, signal })) if (++found === names) held = strings() - before
  expect(found).toBeGreaterThan(names)
  expect(held).toBeLessThan(names / 2)
})

test('control: what nobody changes is found and read', async () => {
  expect(await walked('dir/file', () => {})).toEqual({
    paths: ['', 'dir', 'dir/file'],
    content: 'of the guest',
  })
})

test.each<[string, (path: string) => void]>([
  ['a link to a file of the host', (path) => symlinkSync(`${base}/host/file`, path)],
  ['a link upwards', (path) => symlinkSync('../../host/file', path)],
  ['a FIFO', makeFifo],
  ['a directory', (path) => mkdirSync(path)],
])('a file that has become %s is none any more', async (_, make) => {
  const found = await walked('dir/file', () => {
    rmSync(`${layer}/dir/file`)
    make(`${layer}/dir/file`)
  })
  expect(found.content).toBeUndefined()
})

test('a directory that has become a link is not entered', async () => {
  const found = await walked('dir', () => {
    rmSync(`${layer}/dir`, { recursive: true })
    symlinkSync(`${base}/host`, `${layer}/dir`)
  })
  expect(found.paths).toEqual(['', 'dir'])
})

test('a path that is longer than the kernel takes ends the walk, and the longest does not', async () => {
  // A shell tells the kernel whole paths.
  const deeper = 'chdir shift; for (@ARGV) { mkdir $_; chdir $_ or die $! }'
  const make = (count: number) =>
    Bun.spawnSync(['perl', '-e', deeper, layer, ...Array(count).fill('n'.repeat(255))]).exitCode
  try {
    expect(make(16)).toBe(0)
    const lengths = (await Array.fromAsync(walk())).map(({ path }) => path.length)
    expect(Math.max(...lengths)).toBe(16 * 256 - 1)
    expect(make(17)).toBe(0)
    await expect(Array.fromAsync(walk())).rejects.toBeInstanceOf(TreeTooDeep)
  } finally {
    Bun.spawnSync(['rm', '-rf', layer])
  }
})

test('a layer that is a link is none', async () => {
  symlinkSync(layer, `${base}/link`)
  layer = `${base}/link`
  await expect(Array.fromAsync(walk())).rejects.toMatchObject({ code: 'ENOTDIR' })
})
