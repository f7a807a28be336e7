import { describe, expect, test } from 'bun:test'
import { takeVerity, verityTable } from './verity-table.ts'

const rootHash = 'ab'.repeat(32)
const wish = { rootHash, hashOffset: 8192 }
const asked = [
  'X-kata.dmverity-enabled=true',
  `X-kata.dmverity.roothash=${rootHash}`,
  'X-kata.dmverity.hashoffset=8192',
]

/** A superblock as cryptsetup writes it. */
function superblock(changed: (view: DataView, bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(512)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode('verity\0\0'))
  bytes.set(new TextEncoder().encode('sha256'), 32)
  for (const [offset, value] of [
    [8, 1],
    [12, 1],
    [64, 4096],
    [68, 4096],
  ] as const)
    view.setUint32(offset, value, true)
  view.setBigUint64(72, 2n, true)
  view.setUint16(80, 2, true)
  bytes.set([0x0a, 0xff], 88)
  changed(view, bytes)
  return bytes
}

describe('the table', () => {
  test('is that of the superblock, with the root hash that the host gave', () => {
    expect(verityTable(superblock(), '/dev/sdb', wish)).toEqual({
      sectors: 16,
      parameters: `1 /dev/sdb /dev/sdb 4096 4096 2 3 sha256 ${rootHash} 0aff`,
    })
  })

  test('without a salt, with small blocks, and from the middle of a buffer', () => {
    const bytes = superblock((view) => {
      view.setUint32(64, 512, true)
      view.setUint32(68, 1024, true)
      view.setUint16(80, 0, true)
    })
    const within = new Uint8Array(600)
    within.set(bytes, 88)
    expect(verityTable(within.subarray(88), '/dev/vda', wish)).toEqual({
      sectors: 2,
      parameters: `1 /dev/vda /dev/vda 512 1024 2 9 sha256 ${rootHash} -`,
    })
  })

  const weak = (_view: DataView, bytes: Uint8Array) => bytes.set(new TextEncoder().encode('crc32c'), 32)
  test.each<[string, Uint8Array, RegExp]>([
    ['no superblock', new Uint8Array(512), /no superblock/],
    ['one that is cut', superblock().subarray(0, 511), /no superblock/],
    ['another version', superblock((view) => view.setUint32(8, 2, true)), /version 2/],
    ['the hashes of Chrome OS', superblock((view) => view.setUint32(12, 0, true)), /hash type 0/],
    ['a weak sum', superblock(weak), /crc32c/],
    ['blocks of no size', superblock((view) => view.setUint32(64, 0, true)), /blocks of 0/],
    ['blocks beyond a page', superblock((view) => view.setUint32(68, 8192, true)), /4096 and 8192/],
    ['data over the hashes', superblock((view) => view.setBigUint64(72, 3n, true)), /3 blocks/],
    ['no data', superblock((view) => view.setBigUint64(72, 0n, true)), /0 blocks/],
    ['a long salt', superblock((view) => view.setUint16(80, 257, true)), /257 bytes/],
  ])('%s is refused', (_what, bytes, reason) => {
    expect(() => verityTable(bytes, '/dev/sdb', wish)).toThrow(reason)
  })

  test('an algorithm whose hashes have another length is refused', () => {
    expect(() => verityTable(superblock(), '/dev/sdb', { ...wish, rootHash: 'ab' })).toThrow(/2 digits/)
  })
})

describe('the wish', () => {
  test('is parted from the options of the file system', () => {
    expect(takeVerity(['ro', ...asked, 'device=/dev/sdc'])).toEqual({ rest: ['ro', 'device=/dev/sdc'], wish })
    expect(takeVerity(['ro'])).toEqual({ rest: ['ro'] })
  })

  test.each<[string, string[]]>([
    ['without its root hash', asked.filter((word) => !word.includes('roothash'))],
    ['switched off', asked.map((word) => word.replace('true', 'false'))],
    ['twice', [...asked, asked[1]!]],
    ['with a word that is not known', [...asked, 'X-kata.dmverity.salt=00']],
    ['no hash', asked.map((word) => word.replace('abab', 'a b '))],
    ['at the first byte', asked.map((word) => word.replace('8192', '0'))],
  ])('%s is refused, and not left out', (_what, options) => {
    expect(() => takeVerity(options)).toThrow(/dm-verity cannot be set up/)
  })
})
