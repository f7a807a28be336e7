import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { Interrupted } from '../client/signals.ts'
import { ResultFile } from './result-file.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/result-`)
})
afterEach(() => rmSync(base, { recursive: true }))

test('errors and warnings stand in the file with the exit code', () => {
  const result = new ResultFile()
  result.open(`${base}/r`)
  const own = new KataError('SHIM_DIED', { id: 'c' })
  for (const error of [own, new TypeError('no function'), new Interrupted('SIGTERM')]) result.error(error)
  for (const text of ['warning: no walls', own.message]) result.told(text)
  result.write(125)
  expect(JSON.parse(readFileSync(`${base}/r`, 'utf8'))).toEqual({
    exitCode: 125,
    errors: [
      { code: 'SHIM_DIED', message: own.rawMessage, remedy: own.remedy, fields: { id: 'c' } },
      expect.objectContaining({ code: 'INTERNAL', fields: { reason: 'no function' } }),
      { code: 'INTERRUPTED', message: 'interrupted by SIGTERM', remedy: '', fields: {} },
    ],
    warnings: ['no walls'],
  })
  expect(statSync(`${base}/r`).mode & 0o777).toBe(0o644)
})

test('a file that exists is not replaced', () => {
  writeFileSync(`${base}/r`, 'before')
  expect(() => new ResultFile().open(`${base}/r`)).toThrow('EEXIST')
  expect(readFileSync(`${base}/r`, 'utf8')).toBe('before')
})

test('without a file nothing is written', () => {
  const result = new ResultFile()
  result.error(new Error('x'))
  result.write(1)
})
