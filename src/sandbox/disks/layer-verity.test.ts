import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { layerVerity } from './layer-verity.ts'

let dir: string
let layer: string
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/kata-ts-verity-`)
  layer = `${dir}/layer.erofs`
})
afterEach(() => rmSync(dir, { recursive: true }))

const roothash = '0f'.repeat(32)
const whole = { roothash, hashoffset: 8192 }
const write = (note: unknown) => writeFileSync(`${layer}.dmverity`, JSON.stringify(note))
const read = (wish: string) => layerVerity(layer, wish, 'web')

test('the note beside a layer counts, whichever way it is asked for', () => {
  write({ ...whole, further: 1 })
  for (const wish of ['on', 'auto', `${layer}.dmverity`])
    expect(read(wish)).toEqual({ rootHash: roothash, hashOffset: 8192 })
  expect(read('off')).toBeUndefined()
})

test('without a note only what has to be verified is refused', () => {
  expect(read('auto')).toBeUndefined()
  for (const wish of ['on', `${dir}/absent`]) expect(() => read(wish)).toThrow(/ROOTFS_LAYERS.*ENOENT/)
})

test.each<[string, unknown, RegExp]>([
  ['no object', [], /not understood/],
  ['without a root hash', { hashoffset: 8192 }, /roothash/],
  ['of another hash', { ...whole, roothash: '0f'.repeat(20) }, /SHA-256/],
  ['no hash', { ...whole, roothash: 'Z'.repeat(64) }, /SHA-256/],
  ['within a sector', { ...whole, hashoffset: 8193 }, /within a sector/],
  ['at the data', { ...whole, hashoffset: 0 }, /hashoffset/],
  ['hashes in another file', { ...whole, hashdevice: 'hashes' }, /another file/],
  ['too long', { ...whole, more: 'x'.repeat(4096) }, /at most 4096/],
])('a note %s is refused by its name', (_what, note, reason) => {
  write(note)
  expect(() => read('auto')).toThrow(expect.objectContaining({ code: 'ROOTFS_LAYERS' }))
  expect(() => read('auto')).toThrow(reason)
})

test('a word that is none is refused, and so is a signature that nobody would check', () => {
  write(whole)
  expect(() => read('maybe')).toThrow(/neither on, off, auto/)
  writeFileSync(`${layer}.sig`, '')
  expect(() => read('auto')).toThrow(/signed/)
})
