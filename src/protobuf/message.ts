/**
 * Messages of protobuf, each type described by one line of text. A process knows hundreds of types and uses a few dozen: a line is read when
 * the first message of its type is made, written or read, and until then a type costs little more than its line.
 *
 * A line has the fields in the order of their numbers, as `number name kind`, with `;` between them. A kind is `string`, `bytes`, `bool`,
 * `int32` (which enums are, too), `uint32`, `int64`, `uint64`, or the name of another type. Behind it stands `?` for a field that may be absent,
 * `[]` for one that is repeated, and `{}` for a map whose keys are strings.
 */
import { type Scalar, scalars } from './scalars.ts'
import { WireReader, wireType } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

/**
 * A message with fields left out; each of them has its default, as proto3 has it. A number of 64 bits may be given as another kind of number, or
 * as text: files and command lines have no bigint.
 */
export type DeepPartial<T> = T extends bigint
  ? bigint | number | string
  : T extends boolean | number | string | Uint8Array | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly DeepPartial<Item>[]
      : { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined }

/** Types by the names that lines have for them. */
// biome-ignore lint/suspicious/noExplicitAny: types of any messages
export type Types = Readonly<Record<string, Message<any>>>

/** The fields of a map's entry, which is a message on the wire. */
const mapKey = 1
const mapValue = 2

type Values = Record<string, unknown>
type Kind = Scalar | Message<unknown>

interface Field {
  readonly number: number
  readonly name: string
  readonly kind: Kind
  readonly shape: '' | '?' | '[]' | '{}'
}

interface Fields {
  readonly list: readonly Field[]
  readonly numbered: ReadonlyMap<number, Field>
}

/** One type of message. */
export class Message<T> {
  readonly #line: string
  readonly #types: () => Types
  #fields: Fields | undefined

  /** `types` gives the types that the line names. */
  constructor(line: string, types: () => Types = () => ({})) {
    this.#line = line
    this.#types = types
  }

  /** @throws RangeError for a number that its field cannot hold. */
  encode(message: T): WireWriter {
    const writer = new WireWriter()
    this.write(message, writer)
    return writer
  }

  /**
   * Passes over fields that the type does not have. Bytes share memory with `data`.
   *
   * @param mostValues of tags, lengths and numbers; a message with more is refused.
   * @throws MalformedMessage.
   */
  decode(data: Uint8Array, mostValues = Number.POSITIVE_INFINITY): T {
    return this.read(new WireReader(data, { values: mostValues }))
  }

  /** The message with all of its fields. @throws RangeError, SyntaxError for what is no number where one of 64 bits belongs. */
  fromPartial(partial: DeepPartial<T>): T {
    const message: Values = {}
    for (const field of this.fields.list)
      message[field.name] = complete(field, (partial as Values)[field.name])
    return message as T
  }

  /** Writes the fields without a length before them. @throws RangeError as {@link encode}. */
  write(message: T, writer: WireWriter): void {
    for (const field of this.fields.list) {
      const value = (message as Values)[field.name]
      if (value !== undefined) writeField(field, value, writer)
    }
  }

  /** Reads to the end. @throws MalformedMessage. */
  read(reader: WireReader): T {
    const { list, numbered } = this.fields
    const message: Values = {}
    for (const field of list) message[field.name] = blank(field)
    for (let number = reader.field(); number !== 0; number = reader.field()) {
      const field = numbered.get(number)
      if (field === undefined || !readField(field, message, reader)) reader.skip()
    }
    return message as T
  }

  private get fields(): Fields {
    this.#fields ??= fieldsOf(this.#line, this.#types)
    return this.#fields
  }
}

function fieldsOf(line: string, types: () => Types): Fields {
  let named: Types | undefined
  const kindOf = (name: string): Kind => {
    const scalar = scalars[name]
    if (scalar !== undefined) return scalar
    named ??= types()
    return named[name]!
  }
  const list = (line === '' ? [] : line.split(';')).map((text): Field => {
    const [, number, name, kind, shape] = /^(\d+) (\w+) (\w+)(.*)$/.exec(text)!
    return { number: Number(number), name: name!, kind: kindOf(kind!), shape: shape as Field['shape'] }
  })
  return { list, numbered: new Map(list.map((field) => [field.number, field])) }
}

function blank({ kind, shape }: Field): unknown {
  if (shape === '?') return undefined
  if (shape === '[]') return []
  if (shape === '{}') return {}
  return (kind as Scalar).blank()
}

function complete(field: Field, given: unknown): unknown {
  if (given === undefined || given === null) return blank(field)
  const { kind, shape } = field
  if (shape === '[]') return (given as unknown[]).map((item) => completeValue(kind, item))
  if (shape !== '{}') return completeValue(kind, given)
  const entries = Object.entries(given).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([key, value]) => [key, completeValue(kind, value)]))
}

function completeValue(kind: Kind, given: unknown): unknown {
  if (kind instanceof Message) return kind.fromPartial(given as never)
  return kind.from === undefined ? given : kind.from(given as never)
}

function writeField({ number, kind, shape }: Field, value: unknown, writer: WireWriter): void {
  if (shape === '') {
    if (!(kind as Scalar).isBlank(value)) writeValue(number, kind, value, writer)
  } else if (shape === '?') writeValue(number, kind, value, writer)
  else if (shape === '[]') writeList(number, kind, value as unknown[], writer)
  else
    for (const [key, item] of Object.entries(value as Values))
      writer.message(number, () => {
        writeValue(mapKey, scalars.string!, key, writer)
        writeValue(mapValue, kind, item, writer)
      })
}

/** Numbers stand in one field, without a tag for each. */
function writeList(number: number, kind: Kind, list: readonly unknown[], writer: WireWriter): void {
  if (!isPacked(kind)) for (const item of list) writeValue(number, kind, item, writer)
  else if (list.length > 0)
    writer.message(number, () => {
      for (const item of list) kind.write(writer, item as never)
    })
}

function writeValue(number: number, kind: Kind, value: unknown, writer: WireWriter): void {
  if (kind instanceof Message) {
    writer.message(number, () => kind.write(value, writer))
    return
  }
  writer.tag(number, kind.wire)
  kind.write(writer, value as never)
}

/** False when the field is written as another kind than it has; it is passed over then. */
function readField(field: Field, message: Values, reader: WireReader): boolean {
  const { name, kind, shape } = field
  if (shape === '[]' && isPacked(kind) && reader.type === wireType.bytes) {
    const list = message[name] as unknown[]
    const packed = reader.nested()
    while (!packed.isAtEnd()) list.push(kind.read(packed))
    return true
  }
  if (reader.type !== (shape === '{}' || kind instanceof Message ? wireType.bytes : kind.wire)) return false
  if (shape === '{}') readEntry(kind, message[name] as Values, reader.nested())
  else if (shape === '[]') (message[name] as unknown[]).push(readValue(kind, reader))
  else message[name] = readValue(kind, reader)
  return true
}

function readEntry(kind: Kind, map: Values, reader: WireReader): void {
  let key = ''
  let value: unknown
  for (let number = reader.field(); number !== 0; number = reader.field()) {
    if (number === mapKey && reader.type === wireType.bytes) key = reader.string()
    else if (number === mapValue && reader.type === (kind instanceof Message ? wireType.bytes : kind.wire))
      value = readValue(kind, reader)
    else reader.skip()
  }
  value ??= kind instanceof Message ? kind.fromPartial({} as never) : kind.blank()
  // An assignment to the key __proto__ would set no property.
  Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
}

function readValue(kind: Kind, reader: WireReader): unknown {
  return kind instanceof Message ? kind.read(reader.nested()) : kind.read(reader)
}

function isPacked(kind: Kind): kind is Scalar {
  return !(kind instanceof Message) && kind.wire === wireType.varint
}
