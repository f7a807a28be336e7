import { afterAll, expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { archive } from '../bundle/archive.ts'
import type { Contents } from '../package/contents.ts'
import { writeDeb } from '../package/deb.ts'
import { writeTree } from '../package/tree.ts'
import { compareReleases } from './compare.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kata-ts-compare-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const tools = { env: process.env }

const epoch = 1_700_000_000
const contents: Contents = {
  'opt/a/x': { bytes: 'x' },
  'opt/a/y': { bytes: 'y' },
  'opt/a/z': { linkTo: 'x' },
}

/** A release of a package, an archive and notes. */
async function release(name: string, changed: Contents = {}, time = epoch): Promise<string> {
  const directory = join(scratch, name)
  const tree = join(scratch, `${name}-tree`)
  mkdirSync(directory)
  const control = () => 'Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a\n'
  const all = { ...contents, ...changed }
  await writeDeb(
    join(directory, 'a.deb'),
    tree,
    { contents: all, control, scripts: {}, epoch: time, compression: 'zstd' },
    tools,
  )
  writeTree(tree, all)
  await archive(join(directory, 'a.tar.zst'), { tree, member: 'opt', epoch: time }, tools)
  writeFileSync(join(directory, 'notes'), 'a')
  writeFileSync(join(directory, 'SHA256SUMS'), name)
  return directory
}

test('the same files have no difference; others are told by member and by what differs', async () => {
  const one = await release('one')
  const compare = (other: string) => compareReleases(one, other, { scratch, tools })
  expect(await compare(await release('same'))).toEqual([])

  const other = await release('other', {
    'opt/a/x': { bytes: 'X' },
    'opt/a/y': { bytes: 'y', mode: 0o755 },
    'opt/a/new': { bytes: '' },
  })
  const members = ['opt/a/new: only in the second', 'opt/a/x: its content', 'opt/a/y: its mode, 644 and 755']
  expect(await compare(other)).toEqual([
    'a.deb: DEBIAN/md5sums: its content',
    ...['a.deb', 'a.tar.zst'].flatMap((file) => members.map((line) => `${file}: ${line}`)),
  ])

  const later = await compare(await release('later', {}, epoch + 1))
  expect(later).toContain(
    'a.tar.zst: opt/a/x: its time, 2023-11-14T22:13:20.000Z and 2023-11-14T22:13:21.000Z',
  )
})

test('a file of one release alone, another text, and another compression', async () => {
  const [left, right] = ['left', 'right'].map((name) => join(scratch, name))
  for (const directory of [left!, right!]) mkdirSync(directory)
  writeFileSync(join(left!, 'notes'), 'a')
  writeFileSync(join(right!, 'notes'), 'b')
  writeFileSync(join(right!, 'more'), '')
  copyFileSync(join(scratch, 'one/a.tar.zst'), join(left!, 'a.tar.zst'))
  const repacked = `zstd -dc ${join(scratch, 'one/a.tar.zst')} | zstd -q -1 -o ${join(right!, 'a.tar.zst')}`
  expect(Bun.spawnSync(['sh', '-c', repacked]).exitCode).toBe(0)
  expect(await compareReleases(left!, right!, { scratch, tools })).toEqual([
    'a.tar.zst: the order or the compression of its members',
    `more: only in ${right}`,
    'notes: its content',
  ])
})
