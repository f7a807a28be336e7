import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { configurations } from '../../src/config/drivers.ts'
import { loadConfigText } from '../../src/config/load.ts'
import { silentLogger } from '../../src/log.ts'
import { configurationSchema, installedSchema } from './configuration-schema.ts'

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxProperties?: number
}

const schema = JSON.parse(configurationSchema()) as Schema
const read = (path: string) => readFileSync(join(import.meta.dir, '../..', path), 'utf8')

/** What the schema has against a value: the keywords that we use, each as JSON Schema defines it. */
function faults(schema: Schema, value: unknown, at = ''): string[] {
  const is: Readonly<Record<string, (value: unknown) => boolean>> = {
    boolean: (value) => typeof value === 'boolean',
    integer: Number.isInteger,
    number: (value) => typeof value === 'number',
    string: (value) => typeof value === 'string',
    array: Array.isArray,
    object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  }
  if (schema.type !== undefined && !is[schema.type]!(value)) return [`${at}: not ${schema.type}`]
  const wrong = [
    schema.enum !== undefined && !schema.enum.includes(value) && 'enum',
    schema.pattern !== undefined && !new RegExp(schema.pattern).test(value as string) && 'pattern',
    schema.maxLength !== undefined && (value as string).length > schema.maxLength && 'maxLength',
    schema.minimum !== undefined && (value as number) < schema.minimum && 'minimum',
    schema.maximum !== undefined && (value as number) > schema.maximum && 'maximum',
    schema.maxProperties !== undefined &&
      Object.keys(value as object).length > schema.maxProperties &&
      'maxProperties',
  ]
  const { properties, items } = schema
  return [
    ...wrong.filter((fault) => fault !== false).map((fault) => `${at}: ${fault}`),
    ...(properties === undefined
      ? []
      : Object.entries(value as object).flatMap(([name, inner]) =>
          properties[name] === undefined
            ? [`${at}/${name}: unknown`]
            : faults(properties[name], inner, `${at}/${name}`),
        )),
    ...(items === undefined
      ? []
      : (value as unknown[]).flatMap((item, i) => faults(items, item, `${at}/${i}`))),
  ]
}

const faultsOf = (toml: string) => faults(schema, parse(toml))

test.each(configurations.map(({ suffix }) => `packaging/configuration${suffix}.toml`))(
  '%s names the schema and is valid by it',
  (path) => {
    expect(read(path).split('\n')[0]).toBe(`#:schema file://${installedSchema}`)
    expect(faultsOf(read(path))).toEqual([])
  },
)

test('the name of the VMM, which runtime-rs writes into every file, is no fault', () => {
  expect(faultsOf('[hypervisor.clh]\n[runtime]\nhypervisor_name = "cloud-hypervisor"\n')).toEqual([])
})

test.each([
  ['[hypervisor.qemu]\ndefault_vcpus = "one"\n', '/hypervisor/qemu/default_vcpus: not number'],
  ['[hypervisor.qemu]\nrootles = true\n', '/hypervisor/qemu/rootles: unknown'],
  ['[hypervisor.qemu]\naccelerator = "fast"\n', '/hypervisor/qemu/accelerator: enum'],
  ['[hypervisor.qemu]\nkernel = "vmlinux"\n', '/hypervisor/qemu/kernel: pattern'],
  ['[hypervisor.qemu]\ndefault_memory = 1\n', '/hypervisor/qemu/default_memory: minimum'],
  ['[hypervisor.qemu]\n[hypervisor.clh]\n', '/hypervisor: maxProperties'],
  ['[hypervisor.clh]\nseccompsandbox = ""\n', '/hypervisor/clh/seccompsandbox: unknown'],
  ['[runtime]\nhypervisor_name = "xen"\n', '/runtime/hypervisor_name: enum'],
  ['[runtime]\nenable_debug = 1\n', '/runtime/enable_debug: not boolean'],
])('%j is wrong, for the schema and mostly for kata-ts', (toml, fault) => {
  expect(faultsOf(toml)).toEqual([fault])
  if (fault.includes('clh/seccompsandbox')) return
  const load = () => loadConfigText('/c.toml', new TextEncoder().encode(toml), silentLogger)
  expect(load).toThrow()
})
