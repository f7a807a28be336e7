/**
 * The types that configuration values may have. Each reads a TOML value and a text (annotation, command line), and
 * says in words what it allows. Integers arrive as bigint, so that `1` and `1.0` stay apart.
 *
 * These are not the readers of src/json: a value here has two spellings, and its type is what the documentation and the
 * messages about a key are made of.
 */

/** Why a value was not taken: it has another type, or the right type and a value that is not allowed. */
export class Refusal {
  readonly wrong: 'type' | 'value'
  constructor(wrong: 'type' | 'value') {
    this.wrong = wrong
  }
}

/** What JSON Schema says of a value in a file, as far as it can: the readers are stricter in places. */
export type ValueSchema = Readonly<Record<string, unknown>>

export interface ValueType<T> {
  /** With its article, for sentences: "a boolean". */
  readonly name: string
  /** The allowed values, in words. */
  readonly allowed: string
  readonly schema: ValueSchema
  fromToml(value: unknown): T | Refusal
  fromText(text: string): T | Refusal
}

const wrongType = new Refusal('type')
const wrongValue = new Refusal('value')

/** A boolean; texts are those of Go's strconv.ParseBool, which Kata's annotations take. */
export const boolean: ValueType<boolean> = {
  name: 'a boolean',
  allowed: 'true or false',
  schema: { type: 'boolean' },
  fromToml: (value) => (typeof value === 'boolean' ? value : wrongType),
  fromText: (text) => {
    if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
    if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
    return wrongType
  },
}

/** A whole number within bounds, both included; `accept` narrows it further and `note` says how. */
export function integer(
  min: number,
  max: number,
  note = '',
  accept: (value: number) => boolean = () => true,
): ValueType<number> {
  const inRange = (value: bigint) =>
    value >= BigInt(min) && value <= BigInt(max) && accept(Number(value)) ? Number(value) : wrongValue
  return {
    name: 'a whole number',
    allowed: `${min} to ${max}${note}`,
    schema: { type: 'integer', minimum: min, maximum: max },
    fromToml: (value) => (typeof value === 'bigint' ? inRange(value) : wrongType),
    fromText: (text) => (/^[+-]?\d{1,19}$/.test(text) ? inRange(BigInt(text)) : wrongType),
  }
}

/** The powers of 1000 or, behind an `i`, of 1024 that the first letter of a unit stands for. */
const unitPowers: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 }

/**
 * A size in MiB. A text may name another unit: Kata's Go runtime takes a number of MiB, and runtime-rs, which reads a number alone as bytes, a
 * number with its unit. What is less than a MiB is dropped, as there.
 */
export function mebibytes(min: number, max: number): ValueType<number> {
  const whole = integer(min, max, ' MiB')
  return {
    ...whole,
    fromText: (text) => {
      const sized = /^(\d{1,19}(?:\.\d{1,9})?) ?(?:([kmgt])(i?)b?|b)$/i.exec(text)
      if (sized === null) return whole.fromText(text)
      const [, amount, letter = '', binary] = sized
      const unit = (binary ? 1024 : 1000) ** unitPowers[letter.toLowerCase()]!
      return whole.fromToml(BigInt(Math.floor((Number(amount) * unit) / 1024 ** 2)))
    },
  }
}

/** A number within bounds, with or without a fraction. */
export function number(min: number, max: number, note = ''): ValueType<number> {
  const inRange = (value: number) => (value >= min && value <= max ? value : wrongValue)
  return {
    name: 'a number',
    allowed: `${min} to ${max}${note}`,
    schema: { type: 'number', minimum: min, maximum: max },
    fromToml: (value) =>
      typeof value === 'bigint' || typeof value === 'number' ? inRange(Number(value)) : wrongType,
    fromText: (text) => (/^[+-]?\d{1,12}(\.\d{1,12})?$/.test(text) ? inRange(Number(text)) : wrongType),
  }
}

function textType<T>(
  name: string,
  allowed: string,
  schema: ValueSchema,
  read: (text: string) => T | Refusal,
): ValueType<T> {
  return {
    name,
    allowed,
    schema: { type: 'string', ...schema },
    fromText: read,
    fromToml: (value) => (typeof value === 'string' ? read(value) : wrongType),
  }
}

/** A string that matches `pattern` as a whole. */
export function string(pattern: RegExp, allowed: string): ValueType<string> {
  return textType('a string', allowed, { pattern: pattern.source }, (text) =>
    pattern.test(text) ? text : wrongValue,
  )
}

/** One of a few words. `replaced` maps words that Kata gave up to those that took their place. */
export function choice<T extends string>(
  values: readonly T[],
  replaced: Readonly<Record<string, T>> = {},
): ValueType<T> {
  const allowed = values.map((value) => `"${value}"`).join(', ')
  return textType('a string', allowed, { enum: [...values, ...Object.keys(replaced)] }, (text) => {
    const value = replaced[text] ?? text
    return values.find((known) => known === value) ?? wrongValue
  })
}

// Longest path of Linux (PATH_MAX) without its NUL.
const pathMax = 4095
// Control characters have no place in a path that ends in an argv, an fstab line or a message.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f]/

const isAbsolutePath = (text: string): boolean =>
  text.startsWith('/') &&
  text.length <= pathMax &&
  !control.test(text) &&
  !text.split('/').some((part) => part === '..' || part === '.')

/** An absolute path without `.` and `..` parts; `emptyMeans` gives the meaning of an empty one, when it may be empty. */
export function path(emptyMeans?: string): ValueType<string> {
  const allowed = `an absolute path without . or .. parts${emptyMeans === undefined ? '' : `, or "" for ${emptyMeans}`}`
  const schema = { pattern: emptyMeans === undefined ? '^/' : '^(/|$)', maxLength: pathMax }
  return textType('a string', allowed, schema, (text) =>
    isAbsolutePath(text) || (text === '' && emptyMeans !== undefined) ? text : wrongValue,
  )
}

/**
 * Words of printable ASCII in one string, separated by spaces, as on a kernel command line (at most 2047 bytes there). As there, a space between
 * quotation marks separates nothing, and a mark without another reaches to the end.
 */
export const words: ValueType<readonly string[]> = textType(
  'a string',
  'printable ASCII words separated by spaces, at most 1500 characters',
  { pattern: '^[ -~]{0,1500}$' },
  (text) => (/^[ -~]{0,1500}$/.test(text) ? (text.match(/(?:"[^"]*(?:"|$)|[^ "])+/g) ?? []) : wrongValue),
)

/** A list of strings that each pass `accept`; as text, a JSON array or strings with a separator between them. */
export function strings(
  accept: (text: string) => boolean,
  allowed: string,
  separator?: string,
): ValueType<readonly string[]> {
  const read = (value: unknown): readonly string[] | Refusal => {
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) return wrongType
    return value.every((item) => item.length <= pathMax && accept(item)) ? value : wrongValue
  }
  return {
    name: 'a list of strings',
    allowed,
    schema: { type: 'array', items: { type: 'string', maxLength: pathMax } },
    fromToml: read,
    fromText: (text) => {
      if (separator !== undefined) return read(text.split(separator).map((part) => part.trim()))
      try {
        return read(JSON.parse(text))
      } catch {
        return wrongType
      }
    },
  }
}

/** A list of absolute path patterns as in a shell: `*` and `?` match within one part of the path. */
export const pathPatterns = strings(
  // Kata's templates have an empty one: it allows nothing.
  (text) => text === '' || isAbsolutePath(text),
  'absolute paths; * and ? stand within one part of a path',
)

/** The name of a TOML value's type, for messages. */
export function typeName(value: unknown): string {
  if (typeof value === 'bigint') return 'a whole number'
  if (typeof value === 'number') return 'a number with a fraction'
  if (typeof value === 'boolean') return 'a boolean'
  if (typeof value === 'string') return 'a string'
  if (Array.isArray(value)) return 'a list'
  return value instanceof Date ? 'a date' : 'a table'
}

/** A value for a message: one line, quoted, short. */
export function quoteValue(value: unknown): string {
  const isNumber = typeof value === 'bigint' || typeof value === 'number'
  // JSON has no infinite numbers and no NaN.
  const text = isNumber ? String(value) : (JSON.stringify(value, bigintToText) ?? String(value))
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}

const bigintToText = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
