/** No key is a dead letter: each is read somewhere. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allKeys } from './keys.ts'

const keys = allKeys()
const source = join(import.meta.dir, '..')

/** Reading a value only to print it is no effect. */
const printers = /^cli\/actions\/(config|env)\.ts$/

/** Decided while the configuration is read; nobody else needs them. */
const usedHere = ['enableAnnotations', ...keys.flatMap(({ allowList }) => allowList?.field ?? [])]

/** Names that more than one section has: a text search cannot tell them apart. */
const shared = keys.map(({ field }) => field).filter((field, index, all) => all.indexOf(field) !== index)

const texts = [...new Bun.Glob('**/*.ts').scanSync(source)]
  .filter(
    (file) =>
      !/^(config|protocol\/generated|vmm\/[^/]+\/configuration)\/|\.test\.ts$/.test(file) &&
      !printers.test(file),
  )
  .map((file) => readFileSync(join(source, file), 'utf8'))

const isRead = (field: string) => texts.some((text) => new RegExp(`\\b${field}\\b`).test(text))

const judged = keys.filter(({ field }) => !usedHere.includes(field) && !shared.includes(field))

test.each(judged.map((spec) => [spec.table, spec.key, spec] as const))('%s %s', (_table, key, spec) => {
  if (!isRead(spec.field))
    throw new Error(`nothing outside src/config reads ${spec.field}: ${key} would be a dead letter`)
})

test('the search can fail', () => {
  expect(isRead('virtioFsDaemon')).toBe(true)
  expect(isRead('noSuchFieldAnywhere')).toBe(false)
  expect(judged.length).toBeGreaterThan(keys.length / 2)
})
