import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allKeys } from '../../../src/config/keys.ts'
import { manPages } from './man-pages.ts'

const pages = manPages({ version: '1.2.3', date: new Date('2026-02-03T00:00:00Z') })
let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-man-'))
  for (const [name, text] of Object.entries(pages)) writeFileSync(join(directory, name), text)
})
afterAll(() => rmSync(directory, { recursive: true }))

test('a page for the program, each command and the configuration', () => {
  expect(Object.keys(pages)).toEqual(
    expect.arrayContaining(['kata-ts.1', 'kata-ts-run.1', 'kata-ts-guest-build.1', 'kata-ts.toml.5']),
  )
  expect(Object.keys(pages).join()).not.toMatch(/monitor|service-worker|guest-help|-image\b/)
  expect(pages['kata-ts.1']).toContain(
    '.TH "KATA\\-TS" "1" 2026-02-03 "kata\\-ts 1.2.3" "kata\\-ts manual"\n',
  )
})

test('a page of a command has its usage, options and example', () => {
  const page = pages['kata-ts-run.1']!
  expect(page).toContain('.SH "SYNOPSIS"\n\\fBkata\\-ts run\\fR [options] [image] [command...]\n')
  expect(page).toContain('.TP\n\\fB\\-h\\fR, \\fB\\-\\-hostname\\fR <name>\n')
  expect(page).toMatch(/\.SH "EXAMPLE"\n\.nf\n\.RS 4\nkata\\-ts run /)
  expect(pages['kata-ts-guest-build.1']).toContain('\\fBkata\\-ts guest build\\fR [options]\n')
})

test('every key is in kata-ts.toml(5)', () => {
  for (const { key } of allKeys())
    expect([key, pages['kata-ts.toml.5']!.includes(`.TP\n\\fB${key}\\fR\n`)]).toEqual([key, true])
})

const checkers: Readonly<Record<string, readonly string[]>> = {
  // Of mandoc only what is wrong: it has opinions on style that groff does not share.
  mandoc: ['mandoc', '-T', 'lint', '-W', 'warning'],
  groff: ['groff', '-man', '-Tutf8', '-Kutf8', '-ww', '-z'],
}

describe.each(Object.keys(checkers))('%s has nothing to say about', (name) => {
  const missing = Bun.which(name) === null
  test.skipIf(missing)(`the pages${missing ? ` (skipped: ${name} is not installed)` : ''}`, () => {
    const files = Object.keys(pages).map((page) => join(directory, page))
    const { stdout, stderr } = Bun.spawnSync([...checkers[name]!, ...files])
    expect(`${stdout}${stderr}`.replaceAll(`${directory}/`, '')).toBe('')
  })
})
