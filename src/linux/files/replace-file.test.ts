import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { replaceFile } from './replace-file.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/replace-file-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

test('makes a file for its owner alone, and nothing beside it', () => {
  replaceFile(`${directory}/file`, 'text')
  expect(readFileSync(`${directory}/file`, 'utf8')).toBe('text')
  expect(statSync(`${directory}/file`).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory)).toEqual(['file'])
})

test('what cannot be replaced stays as it was, and nothing is left beside it', () => {
  mkdirSync(`${directory}/file/below`, { recursive: true })
  expect(() => replaceFile(`${directory}/file`, 'text')).toThrow('EISDIR')
  expect(readdirSync(directory)).toEqual(['file'])
})

test('a reader sees one version or the other, whole, while two processes replace it', async () => {
  const path = `${directory}/file`
  const versions = ['a', 'b'].map((letter) => letter.repeat(64 * 1024))
  replaceFile(path, versions[0]!)
  const writers = versions.map((text) =>
    Bun.spawn(
      [
        process.execPath,
        '-e',
        `import { replaceFile } from ${JSON.stringify(`${import.meta.dir}/replace-file.ts`)}
        for (let turn = 0; turn < 300; turn++) replaceFile(${JSON.stringify(path)}, ${JSON.stringify(text[0])}.repeat(${text.length}))`,
      ],
      { stdout: 'ignore', stderr: 'inherit' },
    ),
  )
  let writing = true
  const done = Promise.all(writers.map(({ exited }) => exited)).finally(() => {
    writing = false
  })
  const torn: string[] = []
  while (writing) {
    const text = readFileSync(path, 'utf8')
    if (!versions.includes(text)) torn.push(text)
    await Bun.sleep(0)
  }
  expect(await done).toEqual([0, 0])
  expect(torn).toEqual([])
})
