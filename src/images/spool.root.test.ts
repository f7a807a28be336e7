/** Compressed files are taken whole or not at all. */
import { afterAll, expect, test } from 'bun:test'
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { spoolDecompressed } from './spool.ts'

const base = mkdtempSync(`${tmpdir()}/spool-`)
afterAll(() => rmSync(base, { recursive: true }))

/** Neither random nor all the same: raw, compressed and run-length blocks. */
const plain = Buffer.concat([
  Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * index * 31) >> 7)),
  Buffer.alloc(400_000),
])
const zstd = zstdCompressSync(plain)
const withChecksum = zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
const skippable = Buffer.from('502a4d1804000000aabbccdd', 'hex')

async function bytesOf(compressed: Buffer, compression: 'gzip' | 'zstd'): Promise<number> {
  writeFileSync(`${base}/file`, compressed)
  const from = openSync(`${base}/file`, 'r')
  try {
    const fd = await spoolDecompressed(from, compression, '/file', base)
    const { size } = fstatSync(fd)
    closeSync(fd)
    return size
  } finally {
    closeSync(from)
  }
}

test.each<[string, 'gzip' | 'zstd', Buffer, number]>([
  ['gzip', 'gzip', gzipSync(plain), 1],
  ['a frame', 'zstd', zstd, 1],
  ['a frame with a checksum', 'zstd', withChecksum, 1],
  ['several frames', 'zstd', Buffer.concat([zstd, withChecksum, zstd]), 3],
  ['frames to be skipped', 'zstd', Buffer.concat([zstd, skippable, zstd, skippable]), 2],
])('%s', async (_, compression, bytes, times) => {
  expect(await bytesOf(bytes, compression)).toBe(times * plain.length)
})

test.each<[string, 'gzip' | 'zstd', Buffer]>([
  ['gzip without its end', 'gzip', gzipSync(plain).subarray(0, -1)],
  ['a frame without its end', 'zstd', zstd.subarray(0, -1)],
  ['half a frame', 'zstd', zstd.subarray(0, zstd.length / 2)],
  ['the beginning of a header', 'zstd', zstd.subarray(0, 5)],
  ['a frame without its checksum', 'zstd', withChecksum.subarray(0, -4)],
  ['half a second frame', 'zstd', Buffer.concat([zstd, zstd.subarray(0, zstd.length / 2)])],
  ['the magic of a second frame', 'zstd', Buffer.concat([zstd, zstd.subarray(0, 4)])],
  ['something else behind a frame', 'zstd', Buffer.concat([zstd, Buffer.from('something else')])],
])('%s is damaged', async (_, compression, bytes) => {
  await expect(bytesOf(bytes, compression)).rejects.toThrow(`its ${compression} compression is damaged`)
})

test('the decompression of what nobody wants any more ends', async () => {
  writeFileSync(`${base}/file`, gzipSync(Buffer.alloc(8 << 20)))
  const from = openSync(`${base}/file`, 'r')
  try {
    const over = AbortSignal.abort(new Error('given up'))
    await expect(spoolDecompressed(from, 'gzip', '/file', base, over)).rejects.toThrow('given up')
  } finally {
    closeSync(from)
  }
})
