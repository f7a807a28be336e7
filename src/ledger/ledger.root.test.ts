/** A ledger on a file system that is full. /run is one in memory: it gives room by the page, so what does not fit is written up to the end of a page. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmount } from '../linux/mounts/mount.ts'
import { silentLogger } from '../log.ts'
import { Ledger, type ResourceKind } from './ledger.ts'

let directory: string
let released: string[]
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/ledger-`)
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs', flags: 0, data: 'size=8k' })
  released = []
})
afterEach(() => {
  unmount(directory)
  rmSync(directory, { recursive: true })
})

const thing: ResourceKind<{ name: string }> = {
  kind: 'thing',
  release: ({ name }) => void released.push(name[0]!),
}
const open = () => new Ledger(`${directory}/ledger.jsonl`, [thing], silentLogger)
/** Names that fill most of a page, so that the next record needs another one. */
const long = (letter: string) => ({ name: letter.repeat(3000) })
const fill = () => writeFileSync(`${directory}/filler`, Buffer.alloc(4096))

test('a record that found no room swallows no later one', async () => {
  const ledger = open()
  await ledger.take(thing, long('a'), () => {})
  fill()
  await expect(ledger.take(thing, long('b'), () => {})).rejects.toThrow('ENOSPC')
  expect(statSync(`${directory}/ledger.jsonl`).size).toBe(4096)
  rmSync(`${directory}/filler`)
  await ledger.take(thing, { name: 'c' }, () => {})
  // The process is killed now.
  expect(open().dataOf(thing)).toEqual([long('a'), { name: 'c' }])
})

test('what is written down is released while there is still no room', async () => {
  const ledger = open()
  await ledger.take(thing, long('a'), () => {})
  fill()
  await expect(ledger.take(thing, long('b'), () => {})).rejects.toThrow('ENOSPC')
  const before = readFileSync(`${directory}/ledger.jsonl`, 'utf8')
  const later = open()
  expect(readFileSync(`${directory}/ledger.jsonl`, 'utf8')).toBe(before)
  await later.releaseAll()
  expect(released).toEqual(['a'])
})

test('what there was no room for is released as it is', async () => {
  const ledger = open()
  await ledger.take(thing, long('a'), () => {})
  fill()
  // A process that was started and cannot be written down has to end.
  const amended = ledger.take(thing, { name: 'not started' }, (entry) => entry.amend(long('b')))
  await expect(amended).rejects.toThrow('ENOSPC')
  expect(released).toEqual(['b'])
})
