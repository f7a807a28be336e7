/** Every code is one that something can throw, and one that a test meets. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue, findEntry } from './catalogue.ts'

const root = join(import.meta.dir, '../..')
const own = 'src/errors/catalogue.test.ts'

const files = [...new Bun.Glob('{src,guest,setup,lab,bench,e2e}/**/*.ts').scanSync({ cwd: root })]
const isDouble = (file: string) => /\.double\.ts$|^e2e\/doubles\//.test(file)
const isTest = (file: string) =>
  /\.(test|host)\.ts$|^(e2e|lab)\//.test(file) && !isDouble(file) && file !== own
/** What no sentence, remedy or list of codes is in. */
const isProduct = (file: string) =>
  !isTest(file) && !isDouble(file) && !/^src\/errors\/(?!coded)|^src\/sdk\/error-codes/.test(file)
const textOf = (wanted: (file: string) => boolean) =>
  files
    .filter(wanted)
    .map((file) => withoutComments(readFileSync(join(root, file), 'utf8')))
    .join('\n')
const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
/** In a test, an error of its own making: it shows nothing of the code that throws it. */
const madeHere = /new KataError\(\s*'[A-Z0-9_]+'/g
const codesIn = (text: string) =>
  new Set(text.replace(madeHere, '').match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b/g))

test('every code is met by a test', () => {
  const named = codesIn(textOf(isTest))
  expect(Object.keys(catalogue()).filter((code) => !named.has(code))).toEqual([])
})

test('a test meets no code by an error that it makes itself', () => {
  const text = `throw new KataError('ONE_MADE', {})\nnew KataError(\n  'ANOTHER_MADE',\n)\nexpect(code).toBe('ONE_MET')`
  const found = codesIn(text)
  expect(['ONE_MADE', 'ANOTHER_MADE', 'ONE_MET'].map((code) => found.has(code))).toEqual([false, false, true])
})

test('every code is one that something throws', () => {
  const product = textOf(isProduct)
  expect(Object.keys(catalogue()).filter((code) => !product.includes(`'${code}'`))).toEqual([])
})

test('every entry is found by its code, and nothing by another text', () => {
  for (const [code, entry] of Object.entries(catalogue())) expect(findEntry(code)).toEqual(entry)
  for (const text of ['', 'NO_SUCH_CODE', 'constructor', '__proto__']) expect(findEntry(text)).toBeUndefined()
})
