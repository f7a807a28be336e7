import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { ExecOptions, ExecResult } from './exec.ts'
import { filesOf } from './files.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/files-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** Runs commands here, in the place of a sandbox. Their input ends after `most` characters, as when the program that writes it is killed. */
const files = (most = Number.POSITIVE_INFINITY) =>
  filesOf({} as Parameters<typeof filesOf>[0], 'box', async (command, { stdin }: ExecOptions) => {
    const input = Buffer.from(String(stdin).slice(0, most))
    const child = Bun.spawn([...command], { stdio: [input, 'pipe', 'pipe'] })
    const errorText = await new Response(child.stderr).text()
    return { exitCode: await child.exited, errorText } as ExecResult
  })

test('a file whose writer is killed in the middle stays as it was, or stays away', async () => {
  const [old, fresh] = [`${directory}/old`, `${directory}/fresh`]
  await files().write(old, 'all of it')
  expect(readFileSync(old, 'utf8')).toBe('all of it')
  for (const path of [old, fresh])
    await expect(files(3).write(path, 'another text')).rejects.toThrow('the content ended early')
  expect(readFileSync(old, 'utf8')).toBe('all of it')
  expect(existsSync(fresh)).toBe(false)
  expect(readdirSync(directory)).toEqual(['old'])
})

test('text of several bytes a character, and none, are whole', async () => {
  const path = `${directory}/file`
  for (const text of ['ü€😀', '']) {
    await files().write(path, text)
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
})
