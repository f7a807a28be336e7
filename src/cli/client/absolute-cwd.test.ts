import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bundleFile } from '../../bundle/files.ts'
import { makeCwdAbsolute } from './absolute-cwd.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(`${tmpdir()}/absolute-cwd-`)
})
afterEach(() => rmSync(bundle, { recursive: true }))

test('a relative working directory in a bundle begins at /, and all else stays', () => {
  const path = bundleFile(bundle, 'spec')
  const spec = (cwd: string) => ({ ociVersion: '1.0.2', process: { args: ['sh'], cwd }, unknown: { a: 1 } })
  writeFileSync(path, JSON.stringify(spec('../srv/app')))
  makeCwdAbsolute(bundle)
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(spec('/srv/app'))
  const { ino } = statSync(path)
  makeCwdAbsolute(bundle)
  expect(statSync(path).ino).toBe(ino)
})

test.each(['{}', '{"process":{}}', '{"process":{"cwd":""}}'])('%s has none, and stays as it is', (text) => {
  const path = bundleFile(bundle, 'spec')
  writeFileSync(path, text)
  makeCwdAbsolute(bundle)
  expect(readFileSync(path, 'utf8')).toBe(text)
})
