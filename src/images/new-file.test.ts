import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { chunkSource } from './formats/byte-source.ts'
import { readTar, type TarEntry } from './formats/tar-reader.ts'
import { writeNewFile } from './new-file.ts'
import { makeTar } from './testing.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/new-file-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** An entry whose content is told of while it is written. */
async function entryOf(content: string, whileWritten = () => {}): Promise<TarEntry> {
  async function* bytes() {
    yield makeTar([{ name: 'a', content, mode: 0o666 }])
  }
  const { value } = await readTar(chunkSource(bytes()))[Symbol.asyncIterator]().next()
  const entry: TarEntry = value
  async function* told() {
    for await (const piece of entry.content()) {
      whileWritten()
      yield piece
    }
  }
  return { ...entry, content: told }
}

test('it is for nobody else while it is written, whatever the archive says', async () => {
  const path = `${directory}/new`
  const umask = process.umask(0)
  try {
    const modes: number[] = []
    await writeNewFile(path, await entryOf('content', () => modes.push(statSync(path).mode & 0o7777)))
    expect(modes).toEqual([0o600])
    expect(readFileSync(path, 'utf8')).toBe('content')
  } finally {
    process.umask(umask)
  }
})

test('nothing that is there is opened, and no link is followed', async () => {
  writeFileSync(`${directory}/there`, 'before')
  symlinkSync('there', `${directory}/link`)
  symlinkSync('absent', `${directory}/dangling`)
  for (const name of ['there', 'link', 'dangling'])
    await expect(writeNewFile(`${directory}/${name}`, await entryOf('after'))).rejects.toThrow('EEXIST')
  expect(readFileSync(`${directory}/there`, 'utf8')).toBe('before')
  expect(existsSync(`${directory}/absent`)).toBe(false)
})
