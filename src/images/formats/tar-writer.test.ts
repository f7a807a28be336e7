import { expect, test } from 'bun:test'
import { chunkSource } from './byte-source.ts'
import { readTar } from './tar-reader.ts'
import { tarEnd, tarHeader, tarPadding, type WrittenEntry } from './tar-writer.ts'

async function readBack(entry: WrittenEntry, content: Buffer) {
  const whole = Buffer.concat([tarHeader(entry), content, tarPadding(content.length), tarEnd()])
  const entries = []
  for await (const read of readTar(chunkSource(new Response(new Uint8Array(whole)).body!))) {
    const pieces: Buffer[] = []
    for await (const piece of read.content()) pieces.push(piece)
    entries.push({ ...read, text: Buffer.concat(pieces).toString(), content: undefined, offset: undefined })
  }
  return entries
}

const plain: WrittenEntry = {
  name: Buffer.from('etc/motd'),
  type: 'file',
  size: 5,
  mode: 0o4755,
  uid: 1000,
  gid: 50,
  mtime: 1e9,
}

test('what is written is what the reader reads', async () => {
  expect(await readBack(plain, Buffer.from('hello'))).toMatchObject([
    { name: 'etc/motd', type: 'file', size: 5, mode: 0o4755, uid: 1000, gid: 50, mtime: 1e9, text: 'hello' },
  ])
})

test('long names, large ids and attributes go into an extended header', async () => {
  const name = Buffer.from(`${'ä/'.repeat(80)}end`)
  const linkName = Buffer.from('l'.repeat(150))
  const xattrs = new Map([['security.capability', Buffer.from([1, 0, 255, 10])]])
  const entry: WrittenEntry = {
    ...plain,
    name,
    linkName,
    xattrs,
    type: 'symlink',
    size: 0,
    uid: 2_000_000_000,
    gid: 2_097_152,
  }
  const [read] = await readBack(entry, Buffer.alloc(0))
  expect(read).toMatchObject({
    name: name.toString(),
    linkName: linkName.toString(),
    uid: 2_000_000_000,
    gid: 2_097_152,
  })
  expect(read?.xattrs.get('security.capability')?.toJSON().data).toEqual([1, 0, 255, 10])
})
