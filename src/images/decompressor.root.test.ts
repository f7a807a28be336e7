/** What a decompressor of strangers' bytes may do, and that nothing of it stays. */
import { afterAll, afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { listPids } from '../linux/processes/proc.ts'
import { readPosture } from '../rootless/posture/posture.ts'
import { type Compression, CompressionError, decompressed } from './decompressor.ts'

setDefaultTimeout(60_000)

const directory = mkdtempSync(`${tmpdir()}/decompressor-`)
afterAll(() => rmSync(directory, { recursive: true }))
afterEach(() => {
  expect(running('gzip', 'zstd')).toEqual([])
  expect(readdirSync(`${directory}/decompressing`)).toEqual([])
})

/** Pids of our descendants that execute these programs. */
function running(...names: string[]): number[] {
  const command = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    } catch {
      return ''
    }
  }
  const parent = (pid: number) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^PPid:\t(\d+)/m.exec(status)?.[1])
  }
  return listPids().filter((pid) => names.includes(command(pid)) && parent(parent(pid)) === process.pid)
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const taken: Buffer[] = []
  for await (const chunk of chunks) taken.push(chunk)
  return Buffer.concat(taken)
}

const content = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => (index * index * 31) >> 7))
/** Fifty times as much, packed with a window of another size than zstd(1) chooses. */
const packedBy = (...options: string[]) =>
  Bun.spawnSync(['zstd', '-q', ...options, '-c'], { stdin: Buffer.concat(Array(50).fill(content)) }).stdout

test.each<[Compression, Buffer]>([
  ['gzip', gzipSync(content)],
  ['zstd', zstdCompressSync(content)],
  ['zstd', packedBy('--long=27')],
])('%s gives what was packed, in pieces of any size', async (compression, packed) => {
  const plain = await all(decompressed(pieces(packed, 5000), compression, { directory }))
  expect(plain.length % content.length).toBe(0)
  expect(plain.subarray(0, content.length).equals(content)).toBe(true)
  expect(plain.subarray(-content.length).equals(content)).toBe(true)
})

test.each<Compression>(['gzip', 'zstd'])('%s has nothing but the bytes', async (compression) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  /** Looks at it once it waits for the rest. */
  async function* looking() {
    const packed = (compression === 'gzip' ? gzipSync : zstdCompressSync)(content)
    yield packed.subarray(0, 1000)
    const [pid = 0] = running(compression)
    const { threads, descriptors, environment, limits, interfaces, mounts } = readPosture(pid)
    const [{ uid, groups, capabilities, noNewPrivs, seccomp, namespaces }] = threads as [(typeof threads)[0]]
    expect(uid).toEqual(Array(4).fill(uid[0]))
    expect(uid[0]).toBeGreaterThanOrEqual(0x7fff0000)
    expect([groups, environment, noNewPrivs, seccomp]).toEqual([[], 0, 1, 2])
    expect(new Set(Object.values(capabilities))).toEqual(new Set(['0'.repeat(16)]))
    const { threads: own } = readPosture(process.pid)
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts'] as const)
      expect([kind, namespaces[kind] === own[0]!.namespaces[kind]]).toEqual([kind, false])
    expect(Object.values(descriptors).map((target) => target.replace(/:.*/, ''))).toEqual(
      Array(3).fill('pipe'),
    )
    expect([limits.as, interfaces]).toEqual([`${2 ** 30}:${2 ** 30}`, ['lo']])
    expect(mounts.every(({ flags }) => flags.includes('ro'))).toBe(true)
    expect(
      readdirSync(`/proc/${pid}/root/`).filter((name) => !/^(lib|usr|filter|old|proc)/.test(name)),
    ).toEqual([])
    resolve()
    yield packed.subarray(1000)
  }
  expect((await all(decompressed(looking(), compression, { directory }))).equals(content)).toBe(true)
  await promise
})

test('control: another process of ours has much more', () => {
  const { descriptors, environment, limits, threads } = readPosture(process.pid)
  expect(threads[0]!.capabilities.CapEff).not.toBe('0'.repeat(16))
  expect([environment > 0, Object.keys(descriptors).length > 3, limits.as]).toEqual([
    true,
    true,
    'unlimited:unlimited',
  ])
})

test('who stops early, or gives up, leaves no process', async () => {
  const endless = async function* () {
    for (;;) yield gzipSync(content)
  }
  for await (const _ of decompressed(endless(), 'gzip', { directory })) break
  expect(running('gzip')).toEqual([])
  const over = new AbortController()
  const given = async () => {
    for await (const _ of decompressed(endless(), 'gzip', { directory, signal: over.signal }))
      over.abort(new Error('given up'))
  }
  await expect(given()).rejects.toThrow('given up')
})

test('what the input fails with is what is thrown', async () => {
  const broken = async function* () {
    yield gzipSync(content).subarray(0, 100)
    throw new Error('the disk is broken')
  }
  await expect(all(decompressed(broken(), 'gzip', { directory }))).rejects.toThrow('the disk is broken')
})

test.each<[string, Compression, () => Buffer, string]>([
  [
    'a window of 1 GiB',
    'zstd',
    () => packedBy('--ultra', '--long=30'),
    'its zstd compression is damaged (Frame requires too much memory for decoding',
  ],
  [
    'a wrong checksum',
    'gzip',
    () => Buffer.concat([gzipSync(content).subarray(0, -8), Buffer.alloc(8)]),
    'its gzip compression is damaged (invalid compressed data--crc error)',
  ],
  [
    'something else behind the end',
    'gzip',
    () => Buffer.concat([gzipSync(content), Buffer.from('something else')]),
    'its gzip compression is damaged (something else follows it)',
  ],
])('%s is damage', async (_, compression, packed, message) => {
  const taking = all(decompressed(pieces(packed(), 1 << 20), compression, { directory }))
  await expect(taking).rejects.toThrow(message)
  await expect(taking).rejects.toBeInstanceOf(CompressionError)
})

test('a decompressor that is not there is named, and how to get it', () => {
  const script = `
    const { decompressed } = await import('${import.meta.dir}/decompressor.ts')
    const packed = async function* () { yield Buffer.alloc(9) }
    for await (const _ of decompressed(packed(), 'zstd', { directory: '${directory}' }));`
  const hidden = `mount --bind /dev/null "$(readlink -f /usr/bin/zstd)" && exec "$@"`
  const argv = ['unshare', '--mount', 'sh', '-c', hidden, 'sh', process.execPath, '-e', script]
  const { stderr, exitCode } = Bun.spawnSync(argv)
  expect(exitCode).not.toBe(0)
  expect(stderr.toString()).toContain(
    '[DECOMPRESSOR_MISSING] the image is compressed, and zstd, which decompresses it, is not installed',
  )
  expect(stderr.toString()).toContain('apt-get install zstd')
})
