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

test('what a sandbox says of a file is one short line of plain text', async () => {
  const said = (errorText: string) => {
    const lying = filesOf({} as Parameters<typeof filesOf>[0], 'box', async () => {
      return { exitCode: 7, errorText } as ExecResult
    })
    return lying.read('/file').then(String, ({ message }: Error) => message)
  }
  expect(await said('first\nno such \x1b[31mfile\x07\n')).toBe('/file of the sandbox: no such  [31mfile')
  expect(await said('\n')).toBe('/file of the sandbox: exit code 7')
  expect((await said('x'.repeat(10_000))).length).toBeLessThan(600)
})

test('text of several bytes a character, and none, are whole', async () => {
  const path = `${directory}/file`
  for (const text of ['ü€😀', '']) {
    await files().write(path, text)
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
})
