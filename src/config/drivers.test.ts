/** Each driver owns its configuration: what it says of keys is about keys that there are, and nobody else knows it by name. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurations, drivers } from './drivers.ts'
import { allKeys } from './keys.ts'

const source = join(import.meta.dir, '..')
const own = (field: string) => configurations.filter((one) => one.keys.some((key) => key.field === field))

describe.each(configurations.map((one) => [one.name, one] as const))(
  '%s',
  (_, { driver, has, values, impossible, keys: ownKeys }) => {
    const spec = (field: string) => allKeys().find((key) => key.field === field)

    test('names as its own what is optional', () => {
      expect(has.filter((field) => spec(field)?.optional !== true)).toEqual([])
      expect(new Set(has).size).toBe(has.length)
    })

    test('gives values of its own to keys that it shares with others', () => {
      for (const field of Object.keys(values)) {
        expect([field, spec(field)?.perDriver[driver] !== undefined]).toEqual([field, true])
        expect(own(field)).toEqual([])
      }
    })

    test('says what is impossible of keys that have no meaning for it', () => {
      for (const field of Object.keys(impossible)) expect(spec(field)?.drivers).not.toContain(driver)
    })

    test('has keys of its own in its own table only, and of no other driver', () => {
      for (const { key, table, field, optional } of ownKeys) {
        expect([key, table, optional]).toEqual([key, 'hypervisor', false])
        expect(spec(field)?.drivers).toEqual([driver])
      }
    })
  },
)

test('every optional key has a VMM', () => {
  expect(allKeys().filter(({ drivers }) => drivers.length === 0)).toEqual([])
})

/** Files of the product by their path below src, without the drivers' own folders. */
const texts = [...new Bun.Glob('**/*.ts').scanSync(source)]
  .filter((file) => !/\.(test|double)\.ts$|(^|\/)(fake-host|rooms)\.ts$|^protocol\//.test(file))
  .filter((file) => !configurations.some(({ folder }) => file.startsWith(`vmm/${folder}/`)))
  .map((file) => [file, readFileSync(join(source, file), 'utf8')] as const)
const filesWith = (pattern: RegExp) => texts.flatMap(([file, text]) => (pattern.test(text) ? file : []))

test('no code outside of its folder acts on a key of a driver’s own', () => {
  // What `kata-ts env` prints has the names of `kata-runtime env`.
  const printers = ['cli/actions/env.ts']
  for (const { keys } of configurations)
    for (const { field } of keys) {
      const files = filesWith(new RegExp(`\\b${field}\\b`)).filter((file) => !printers.includes(file))
      expect([field, files]).toEqual([field, []])
    }
  expect(filesWith(/\bvirtioFsDaemon\b/)).not.toEqual([])
})

/** Of the code in a driver's folder. `how` is what stands before the path. */
const importing = (how: string) =>
  new RegExp(`${how}'[^']*/(${configurations.map(({ folder }) => folder).join('|')})/`)

test('code names a driver in the lists of their data, of their code and of their checks, and nowhere else', () => {
  expect(filesWith(importing('(from|import) ')).sort()).toEqual([
    'config/drivers.ts',
    'vmm/program-checks.ts',
  ])
  // A shim keeps no code of a VMM that it does not run, so what it may run is imported when it is called.
  expect(filesWith(importing('import\\('))).toEqual(['vmm/create.ts'])
  expect(filesWith(new RegExp(`['"](${drivers.join('|')})['"]|^ {2}(${drivers.join('|')}): `, 'm'))).toEqual([
    'vmm/create.ts',
    'vmm/program-checks.ts',
  ])
})

test('code of drivers that is not imported when it is called is loaded by the command line alone', () => {
  expect(filesWith(/vmm\/program-checks[.]ts'/)).toEqual(['cli/check/vmm-checks.ts'])
})
