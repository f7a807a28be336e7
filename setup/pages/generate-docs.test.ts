import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationOf, configurations } from '../../src/config/drivers.ts'
import { allKeys } from '../../src/config/keys.ts'
import { builtInConfig, loadConfig } from '../../src/config/load.ts'
import { readHostSize } from '../../src/config/validate.ts'
import { catalogue, parts } from '../../src/errors/catalogue.ts'
import { createLogger } from '../../src/log.ts'
import { generatedFiles } from './generate-docs.ts'

const repository = join(import.meta.dir, '../..')
const remedy = 'run `npm run docs`'

test.each(Object.entries(generatedFiles()))('%s is in step with the code', (path, text) => {
  const committed = readFileSync(join(repository, path), 'utf8')
  expect(committed === text ? 'in step' : `${path} is out of step: ${remedy}`).toBe('in step')
})

const shippedFiles = configurations.map(
  ({ driver, suffix }) => [driver, `packaging/configuration${suffix}.toml`] as const,
)

test.each(shippedFiles)(
  '%s: %s is the built-in configuration but for an accelerator that insists on KVM, and loads without a warning',
  (driver, path) => {
    const warnings: string[] = []
    const log = createLogger({ sink: ({ message }) => warnings.push(message) })
    const shipped = loadConfig({ file: join(repository, path), env: {}, log })
    const builtIn = builtInConfig(readHostSize(), driver)
    const hypervisor = { ...builtIn.hypervisor, accelerator: 'kvm' as const }
    expect({ ...shipped, source: 'built-in' }).toEqual({ ...builtIn, hypervisor, dropIns: shipped.dropIns })
    expect(shipped.hypervisor).toMatchObject({ driver, rootless: true })
    expect(builtIn.hypervisor.accelerator).toBe(
      configurationOf(driver).accelerators.includes('tcg') ? 'auto' : 'kvm',
    )
    expect(warnings).toEqual([])
  },
)

test('every key and every code stands in its page', () => {
  const files = generatedFiles()
  for (const { key } of allKeys()) {
    expect(files['docs/configuration.md']).toContain(`### \`${key}\``)
    for (const [driver, path] of shippedFiles)
      expect([path, key, new RegExp(`^${key} = `, 'm').test(files[path] ?? '')]).toEqual([
        path,
        key,
        allKeys().some((spec) => spec.key === key && spec.drivers.includes(driver)),
      ])
  }
  for (const code of Object.keys(catalogue())) expect(files['docs/errors.md']).toContain(`## ${code}\n`)
})

test('every placeholder of a remedy or sentence is a plain name, in quotes or not', () => {
  for (const { sentence, remedy: advice } of Object.values(catalogue()))
    for (const text of [sentence, advice])
      expect(text.replace(/\{("?)[a-zA-Z]+\1\}/g, '')).not.toMatch(/[{}]/)
})

test('every code stands under the heading of its part, and is linked from the index', () => {
  expect(
    parts()
      .flatMap(({ entries }) => Object.keys(entries()))
      .sort(),
  ).toEqual(Object.keys(catalogue()).sort())
  const [index = '', ...sections] = (generatedFiles()['docs/errors.md'] ?? '').split(/^## /m)
  expect(sections.map((section) => section.split('\n')[0])).toEqual(parts().map(({ title }) => title))
  for (const [at, { entries }] of parts().entries())
    for (const code of Object.keys(entries())) {
      expect(sections[at]).toContain(`\n### ${code}\n`)
      expect(index).toContain(`[${code}](#${code.toLowerCase()})`)
    }
})

test('no two parts of the catalogue have the same code', () => {
  const parts = readdirSync(join(repository, 'src/errors')).map((file) =>
    readFileSync(join(repository, 'src/errors', file), 'utf8'),
  )
  const codes = parts.flatMap((text) =>
    [...text.matchAll(/^ {2}([A-Z_0-9]+): entry\(/gm)].map(([, code]) => code),
  )
  expect(codes.toSorted()).toEqual(Object.keys(catalogue()).toSorted())
})
