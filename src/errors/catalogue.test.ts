/** Every code is one that something can throw, and one that a test meets. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue, findEntry } from './catalogue.ts'

const root = join(import.meta.dir, '../..')
const own = 'src/errors/catalogue.test.ts'

const files = [...new Bun.Glob('{src,guest,setup,lab,bench,e2e}/**/*.ts').scanSync({ cwd: root })]
const isTest = (file: string) => /\.(test|host)\.ts$|^(e2e|lab)\//.test(file) && file !== own
/** What no sentence, remedy or list of codes is in. */
const isProduct = (file: string) =>
  !isTest(file) && !/\.double\.ts$|^src\/errors\/(?!coded)|^src\/sdk\/error-codes/.test(file)
const textOf = (wanted: (file: string) => boolean) =>
  files
    .filter(wanted)
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n')

test('every code is met by a test', () => {
  const named = new Set(textOf(isTest).match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b/g))
  expect(Object.keys(catalogue()).filter((code) => !named.has(code))).toEqual([])
})

test('every code is one that something throws', () => {
  const product = textOf(isProduct)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  expect(Object.keys(catalogue()).filter((code) => !product.includes(`'${code}'`))).toEqual([])
})

test('every entry is found by its code, and nothing by another text', () => {
  for (const [code, entry] of Object.entries(catalogue())) expect(findEntry(code)).toEqual(entry)
  for (const text of ['', 'NO_SUCH_CODE', 'constructor', '__proto__']) expect(findEntry(text)).toBeUndefined()
})
