/** The files between the shim and its client: what one side writes the other reads, and what is no such file has a code. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../errors.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { readFailure, writeFailure } from './failure.ts'
import { type BundleFile, bundleFile } from './files.ts'
import { readOverrides, writeOverrides } from './overrides.ts'
import { maxSpecBytes, readObject } from './read-file.ts'
import { readShimProcess, writeShimProcess } from './shim-process.ts'
import { readWarnings } from './warnings.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(`${tmpdir()}/bundle-`)
})
afterEach(() => rmSync(bundle, { recursive: true }))

const put = (file: BundleFile, text: string) => writeFileSync(bundleFile(bundle, file), text)
const shim = { pid: 4711, startTime: '56685' }
const died = new KataError('SANDBOX_DIED', { id: 'c', reason: 'so', tail: 'two\nlines' })

test('what was written is read back, and is its owner’s alone', () => {
  writeFailure(bundle, 'failure', died)
  writeOverrides(bundle, { memory: 512, rootless: true, vcpus: undefined })
  writeShimProcess(bundle, shim)
  const { code, message, fields, status } = died
  expect(readFailure(bundle, 'failure')).toBeInstanceOf(KataError)
  expect(readFailure(bundle, 'failure')).toMatchObject({ code, message, fields, status })
  expect(readOverrides(bundle)).toEqual({ memory: 512, rootless: true })
  expect(readShimProcess(bundle)).toEqual(shim)
  expect(readdirSync(bundle).sort()).toEqual(['failure.json', 'overrides.json', 'shim.json'])
  for (const name of readdirSync(bundle)) expect(statSync(`${bundle}/${name}`).mode & 0o777).toBe(0o600)
})

test('what is not there is nothing', () => {
  expect(readFailure(bundle, 'failure')).toBeUndefined()
  expect(readFailure(bundle, 'actionFailure')).toBeUndefined()
  expect(readOverrides(bundle)).toBeUndefined()
  expect(readShimProcess(bundle)).toBeUndefined()
  expect(readWarnings(bundle)).toEqual([])
  expect(readWarnings(`${bundle}/gone`)).toEqual([])
})

describe('content that nobody of this version wrote has a code and names the file', () => {
  const contents: [BundleFile, string, string][] = [
    ['failure', '{', 'failure.json'],
    ['failure', '[]', 'it holds no object'],
    ['failure', 'null', 'it holds no object'],
    ['failure', '{"code":"SANDBOX_DIED","fields":{}}', 'it holds no error that this version knows'],
    ['failure', '{"code":"NEWER","fields":{},"message":"[NEWER] x\\u001b[2J"}', 'knows: [NEWER] x [2J'],
    [
      'failure',
      '{"code":"SANDBOX_DIED","message":"[SANDBOX_DIED] it died."}',
      'knows: [SANDBOX_DIED] it died',
    ],
    ['overrides', 'memory', 'overrides.json'],
    ['overrides', '{"memory":"512"}', '"memory" must be number'],
    ['overrides', '{"rootless":null}', '"rootless" must be boolean'],
    ['overrides', '{"kernel":"/k"}', '"kernel" must be absent'],
    ['overrides', '{"constructor":1}', '"constructor" must be absent'],
    ['shimProcess', '', 'shim.json'],
    ['shimProcess', '{"process":{"pid":-1,"startTime":"1"},"bootId":"b"}', 'pid'],
    ['shimProcess', '{"process":{"pid":1},"bootId":"b"}', 'startTime'],
    ['shimProcess', '{"process":{"pid":1,"startTime":"1"}}', 'bootId'],
    ['warnings', '"first"\n{}\n', 'a line of it holds no text'],
    ['warnings', '"first"\n"sec\n', 'warnings.jsonl'],
  ]
  const readers: { readonly [File in BundleFile]?: () => unknown } = {
    failure: () => readFailure(bundle, 'failure'),
    overrides: () => readOverrides(bundle),
    shimProcess: () => readShimProcess(bundle),
    warnings: () => readWarnings(bundle),
  }
  test.each(contents)('%s: %j', (file, text, part) => {
    put(file, text)
    const read = () => readers[file]!()
    expect(read).toThrow(/^\[BUNDLE_FILE_INVALID\] /)
    expect(read).toThrow(part)
  })
})

test('a shim of before the host booted is none', () => {
  put('shimProcess', JSON.stringify({ process: shim, bootId: 'another' }))
  expect(readShimProcess(bundle)).toBeUndefined()
})

test('a warning that is still being written is left out', () => {
  put('warnings', '"first"\n"sec')
  expect(readWarnings(bundle)).toEqual(['first'])
})

test('only a regular file of bounded size is read, and none is waited for', () => {
  const path = bundleFile(bundle, 'failure')
  const read = () => readObject(path)
  put('failure', `{"a":"${'x'.repeat(1024 * 1024)}"}`)
  expect(read).toThrow('the limit is 1048576')
  expect(readObject(path, maxSpecBytes)).toBeDefined()
  rmSync(path)
  makeFifo(path)
  expect(read).toThrow('it is no regular file')
  rmSync(path)
  mkdirSync(path)
  expect(read).toThrow('it is no regular file')
  rmSync(path, { recursive: true })
  put('overrides', '{}')
  symlinkSync(bundleFile(bundle, 'overrides'), path)
  expect(read).toThrow('ELOOP')
})
