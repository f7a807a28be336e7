import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeTar, type TestEntry } from '../testing.ts'
import { chunkSource } from './byte-source.ts'
import { TarError } from './tar-header.ts'
import { readTar } from './tar-reader.ts'

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function readAll(bytes: Buffer, size = 512) {
  const found: { name: string; content: string }[] = []
  for await (const entry of readTar(chunkSource(pieces(bytes, size)))) {
    const content: Buffer[] = []
    for await (const piece of entry.content()) content.push(piece)
    found.push({ name: entry.name, content: Buffer.concat(content).toString() })
  }
  return found
}

test('reads what was written, however it is cut into chunks', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          name: fc.stringMatching(/^[a-z]{1,90}$/),
          content: fc.stringMatching(/^[a-z]{0,1500}$/),
        }),
        {
          maxLength: 5,
        },
      ),
      fc.integer({ min: 1, max: 3000 }),
      async (entries, size) => expect(await readAll(makeTar(entries), size)).toEqual(entries),
    ),
    { numRuns: 50 },
  ))

test('damaged bytes end in an error of its own or in entries, never in anything else', () => {
  const intact = makeTar([
    { name: 'a', content: 'one', pax: { path: 'longer', 'SCHILY.xattr.user.x': 'y' } },
    { name: 'b', type: 'L', content: 'c'.repeat(200) },
    { name: 'b', content: 'two' },
  ])
  return fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(intact.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      async (damage) => {
        const bytes = Buffer.from(intact)
        for (const [at, value] of damage) bytes[at] = value
        await readAll(bytes).catch((error) => expect(error).toBeInstanceOf(TarError))
      },
    ),
    { numRuns: 300 },
  )
})

test('extended headers are bounded: those before one entry, and what global ones leave', async () => {
  const header = (key: string, index: number, bytes: number): TestEntry => {
    const content = `${bytes} ${key}${index}=`.padEnd(bytes - 1, 'x').concat('\n')
    return { name: 'g', type: 'g', content }
  }
  const before = (key: string, bytes: number) => (index: number) => [
    header(key, index, bytes),
    { name: `${index}` },
  ]
  const twelve = Array.from({ length: 12 }, (_, index) => index)
  const xattr = 'SCHILY.xattr.user.'
  expect(await readAll(makeTar([0, 1, 2].flatMap(before(xattr, 10_000))))).toHaveLength(3)
  await expect(readAll(makeTar(twelve.flatMap(before(xattr, 10_000))))).rejects.toThrow('of global headers')
  // What is not used is not kept, and yet not read without end.
  expect(await readAll(makeTar(twelve.flatMap(before('comment', 100_000))))).toHaveLength(12)
  const together = twelve.map((index) => header('comment', index, 100_000))
  await expect(readAll(makeTar([...together, { name: 'a' }]))).rejects.toThrow('of extended headers')
})

test.each(['path', 'linkpath'])('a %s that no file can have is refused', async (key) => {
  await expect(readAll(makeTar([{ name: 'a', pax: { [key]: 'x'.repeat(4097) } }]))).rejects.toThrow(
    '4096 bytes',
  )
})

test.each([
  ['content', 700],
  ['padding', 1024 + 100],
])(
  'an archive that ends in the %s of an entry is refused, whether that is read or passed over',
  async (_, end) => {
    const cut = makeTar([{ name: 'a', content: 'x'.repeat(600) }]).subarray(0, end)
    await expect(readAll(cut)).rejects.toThrow('ends too early')
    const passOver = async () => {
      for await (const _ of readTar(chunkSource(pieces(cut, 512))));
    }
    await expect(passOver()).rejects.toThrow('ends too early')
  },
)

test('long names of GNU tar and pax', async () => {
  const long = 'd/'.repeat(120)
  expect(
    await readAll(
      makeTar([
        { name: '././@LongLink', type: 'L', content: `${long}gnu\0` },
        { name: 'short', content: '1' },
        { name: 'short', content: '2', pax: { path: `${long}ä` } },
        { name: '././@LongLink', type: 'L', content: 'gnu\0' },
        { name: 'short', content: '3', pax: { path: 'pax' } },
        { name: 'short', content: '4' },
      ]),
    ),
  ).toEqual([
    { name: `${long}gnu`, content: '1' },
    { name: `${long}ä`, content: '2' },
    // Whoever writes both means the standard's.
    { name: 'pax', content: '3' },
    { name: 'short', content: '4' },
  ])
})

/** The header of the first entry, changed. */
function withHeader(archive: Buffer, change: (header: Buffer) => void): Buffer {
  const bytes = Buffer.from(archive)
  change(bytes)
  bytes.fill(' ', 148, 156)
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

test('a long target of a link is that of one entry alone', async () => {
  const long = 'long/'.repeat(40)
  const tar = makeTar([
    { name: '././@LongLink', type: 'K', content: long },
    { name: 'a', type: '2', linkName: 'short' },
    { name: 'b', type: '2', linkName: 'own' },
  ])
  const links: string[] = []
  for await (const { linkName } of readTar(chunkSource(pieces(tar, 512)))) links.push(linkName)
  expect(links).toEqual([long, 'own'])
})

// Archives of old tars give a hard link the size of its file.
test.each(['1', '2', '5'])('an entry of type %s has no content, whatever its size says', async (type) => {
  const tar = makeTar([
    { name: 'a', type, linkName: 'b', content: 'x'.repeat(512) },
    { name: 'b', content: 'two' },
  ])
  const bare = Buffer.concat([tar.subarray(0, 512), tar.subarray(1024)])
  expect(await readAll(bare)).toEqual([
    { name: 'a', content: '' },
    { name: 'b', content: 'two' },
  ])
})

test('a time before 1970, as GNU tar writes it, is 1970, as one of pax is', async () => {
  const gnu = withHeader(makeTar([{ name: 'a' }]), (header) => header.fill(0xff, 136, 148))
  const times: number[] = []
  for (const bytes of [gnu, makeTar([{ name: 'a', pax: { mtime: '-5' } }])])
    for await (const { mtime } of readTar(chunkSource(pieces(bytes, 512)))) times.push(mtime)
  expect(times).toEqual([0, 0])
  const size = withHeader(makeTar([{ name: 'a' }]), (header) => header.fill(0xff, 124, 136))
  await expect(readAll(size)).rejects.toThrow('out of range')
})

test('an extended header without a value says nothing: that of the entry itself counts', async () => {
  const pax = { path: '', size: '', uid: '', mtime: '' }
  const entries = makeTar([
    { name: 'g', type: 'g', content: '9 uid=17\n' },
    { name: 'a', content: 'text', uid: 5, pax },
  ])
  const found: object[] = []
  for await (const { name, size, uid, mtime } of readTar(chunkSource(pieces(entries, 512))))
    found.push({ name, size, uid, mtime })
  expect(found).toEqual([{ name: 'a', size: 4, uid: 5, mtime: 1_000_000_000 }])
})

test.each([
  ['an owner beyond 32 bits', makeTar([{ name: 'a', pax: { uid: '4294967296' } }]), /owner/],
  ['a fraction of an owner', makeTar([{ name: 'a', pax: { gid: '1.5' } }]), /owner/],
  ['a sparse file', makeTar([{ name: 'a', pax: { 'GNU.sparse.major': '1' } }]), /sparse/],
  ['an unknown type', makeTar([{ name: 'a', type: 'Z' }]), /unknown type/],
  ['a wrong checksum', Buffer.from(makeTar([{ name: 'a' }])).fill('b', 0, 1), /checksum/],
  ['an extended header without an end', makeTar([{ name: 'x', type: 'x', content: '6 a=bc' }]), /malformed/],
  ['a malformed extended header', makeTar([{ name: 'x', type: 'x', content: '999 a=b\n' }]), /malformed/],
  [
    'an extended header with a rest of no length',
    makeTar([{ name: 'x', type: 'x', content: '6 a=b\nrest' }]),
    /malformed/,
  ],
  ['a fraction of a byte', makeTar([{ name: 'a', content: 'ab', pax: { size: '1.5' } }]), /fraction/],
  ['a size beyond whole numbers', makeTar([{ name: 'a', pax: { size: '9'.repeat(16) } }]), /malformed/],
  ['a number that is none', makeTar([{ name: 'a', pax: { size: '-' } }]), /malformed/],
])('%s is refused', (_, bytes, message) => expect(readAll(bytes)).rejects.toThrow(message))

test('empty extended headers are counted, too', async () => {
  const headers = (count: number) => Array.from({ length: count }, () => ({ name: 'g', type: 'g' }))
  expect(await readAll(makeTar([...headers(2000), { name: 'a' }]))).toHaveLength(1)
  await expect(readAll(makeTar([...headers(2100), { name: 'a' }]))).rejects.toThrow('of extended headers')
})

test.each([
  ['a name that is no UTF-8', (header: Buffer) => header.write('\xff', 0, 'latin1'), /UTF-8/],
  ['a size with a digit that is not octal', (header: Buffer) => header.write('00000000018', 124), /octal/],
  [
    'a size beyond whole numbers',
    (header: Buffer) => header.fill(0xff, 124, 136).fill(0x80, 124, 125),
    /out of range/,
  ],
])('%s is refused', (_, change, message) =>
  expect(readAll(withHeader(makeTar([{ name: 'a' }]), change))).rejects.toThrow(message),
)

test('what older tars write is read as they meant it', async () => {
  const describe = async (change: (header: Buffer) => void) => {
    for await (const { name, type, mode } of readTar(
      chunkSource(pieces(withHeader(makeTar([{ name: 'a/' }]), change), 512)),
    ))
      return { name, type, mode }
    return undefined
  }
  // Before ustar a directory was known by its slash, and a mode had the kind of the file, too.
  const old = (header: Buffer) => {
    header.fill(0, 257, 512)
    header.write('0040755\0', 100)
  }
  expect(await describe(old)).toEqual({ name: 'a/', type: 'directory', mode: 0o755 })
  // GNU has times where POSIX has the beginning of a long name.
  const gnu = (header: Buffer) => {
    header.write('ustar  \0', 257)
    header.write('15015015015\0', 345)
  }
  expect(await describe(gnu)).toMatchObject({ name: 'a/', type: 'file' })
})
