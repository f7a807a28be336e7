/** Each type of message, written by us and read by protobufjs from the .proto file itself, and the other way round. */
import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import protobufjs from 'protobufjs'
import { Message } from '../protobuf/message.ts'

const protos = join(import.meta.dir, 'proto')
const generated = join(import.meta.dir, 'generated')

const root = new protobufjs.Root()
root.resolvePath = (_, target) => (target.startsWith('google/') ? null : join(protos, target))
for (const file of readdirSync(protos, { recursive: true }) as string[])
  if (file.endsWith('.proto')) root.loadSync(file)
root.resolveAll()

const modules = (readdirSync(generated, { recursive: true }) as string[]).filter((file) =>
  file.endsWith('.ts'),
)
const types: [name: string, ours: Message<object>, theirs: protobufjs.Type][] = []
for (const file of modules) {
  const theirs = typesOf(file.replace(/[.]ts$/, '.proto'))
  for (const [name, ours] of Object.entries(await import(join(generated, file))))
    if (ours instanceof Message) types.push([`${file} ${name}`, ours, theirs.get(name)!])
}

/** Types by name that a .proto file declares. */
function typesOf(file: string): Map<string, protobufjs.Type> {
  const found = new Map<string, protobufjs.Type>()
  const look = (scope: protobufjs.NamespaceBase) => {
    for (const one of scope.nestedArray) {
      if (one instanceof protobufjs.Type && (one.filename ?? file).endsWith(file)) found.set(one.name, one)
      else if (one instanceof protobufjs.Namespace) look(one)
    }
  }
  look(root)
  return found
}

const whole64 = (least: bigint, most: bigint) => fc.bigInt({ min: least, max: most })
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: 'binary', maxLength: 200 }),
  bytes: fc.uint8Array({ maxLength: 300 }),
  bool: fc.boolean(),
  int32: fc.integer(),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int64: whole64(-(2n ** 63n), 2n ** 63n - 1n),
  uint64: whole64(0n, 2n ** 64n - 1n),
}

/** Their own google.protobuf.Any has the name that stands in the .proto file. */
const named = (name: string) => (name === 'type_url' ? 'typeUrl' : name)

/** Any message of a type, with any of its fields. */
function anyOf(type: protobufjs.Type, depth = 0): fc.Arbitrary<object> {
  const fields = type.fieldsArray.map((field) => {
    const { resolvedType } = field
    const one =
      resolvedType instanceof protobufjs.Type
        ? depth > 2
          ? fc.constant({})
          : anyOf(resolvedType, depth + 1)
        : values[resolvedType === null ? field.type : 'int32']!
    const value = field.map
      ? fc.dictionary(fc.string({ maxLength: 5 }), one, { maxKeys: 3 })
      : field.repeated
        ? fc.array(one, { maxLength: 3 })
        : one
    return [named(field.name), value]
  })
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] })
}

/** A message with numbers of 64 bits as decimals and bytes as arrays, as either side can have it. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [named(key), plain(item)]))
}

const conversion = { longs: String, bytes: Array, defaults: true, arrays: true, objects: true } as const

test('there is a type of theirs for each of ours', () => {
  expect(types.filter(([, , theirs]) => theirs === undefined).map(([name]) => name)).toEqual([])
  expect(types.length).toBeGreaterThan(250)
})

test.each(types.filter(([name]) => !name.startsWith('google/')))('%s', (_, ours, theirs) => {
  fc.assert(
    fc.property(anyOf(theirs), (partial) => {
      const message = ours.fromPartial(partial)
      const bytes = ours.encode(message).finish()
      const read = theirs.decode(bytes)
      // What they have read and written again is what we wrote.
      const again = theirs.encode(read).finish()
      expect(plain(ours.decode(again))).toEqual(plain(message))
      expect(plain(ours.decode(bytes))).toEqual(plain(message))
      expect(plain(theirs.toObject(read, conversion))).toMatchObject(plain(withoutAbsent(message)) as object)
    }),
    { numRuns: 20 },
  )
})

/** They leave out what is absent. */
function withoutAbsent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAbsent)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutAbsent(item)]))
}
