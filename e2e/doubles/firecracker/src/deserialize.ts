/**
 * Reads the body of a request as the real program's parser does (serde_json): field by field in the order in which they
 * stand, and of what is wrong the first thing is told, with its place.
 */
import { complaint } from '../../common/src/validate.ts'
import { enumerations, schema, types } from './schema.ts'

interface Field {
  readonly key: string
  /** Columns at which key and value end. */
  readonly keyEnd: number
  readonly value: unknown
  readonly valueEnd: number
}

/** The body as that type. Throws an Error with the real program's words. */
export function deserialize<T>(body: string, type: string): T {
  const fields = types[type]
  if (fields === undefined) throw new Error(`no type ${type}`)
  const given = readFields(body)
  for (const { key, keyEnd, value, valueEnd } of given) {
    const declared = fields[key]?.replace(/!$/, '')
    if (declared === undefined)
      throw new Error(`unknown field \`${key}\`, expected ${oneOf(Object.keys(fields))}${at(keyEnd)}`)
    const wrong = value === null ? undefined : wrongValue(value, declared, `${type}.${key}`)
    if (wrong !== undefined) throw new Error(`${wrong}${at(valueEnd)}`)
  }
  const keys = new Set(given.map(({ key }) => key))
  const missing = Object.entries(fields).find(([key, kind]) => kind.endsWith('!') && !keys.has(key))
  if (missing !== undefined) throw new Error(`missing field \`${missing[0]}\`${at(body.length)}`)
  return Object.fromEntries(given.map(({ key, value }) => [key, value])) as T
}

const at = (column: number): string => ` at line 1 column ${column}`

function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``)
  return quoted.length > 2 ? `one of ${quoted.join(', ')}` : quoted.join(' or ')
}

function wrongValue(value: unknown, type: string, field: string): string | undefined {
  const variants = enumerations[type]
  if (variants !== undefined)
    return variants.includes(value as string)
      ? undefined
      : `unknown variant \`${value}\`, expected ${oneOf(variants)}`
  if (field === 'NetworkInterface.guest_mac' && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(String(value)))
    return 'The provided MAC address is invalid.'
  return complaint(schema, value, type, field)
}

/** The fields of one object on one line. */
function readFields(body: string): Field[] {
  const fields: Field[] = []
  let next = skip(body, 0)
  if (body[next] !== '{') throw new Error(`expected value${at(next + 1)}`)
  for (next = skip(body, next + 1); body[next] !== '}'; ) {
    if (body[next] !== '"') throw new Error(`key must be a string${at(next + 1)}`)
    const keyEnd = endOf(body, next)
    const colon = skip(body, keyEnd)
    if (body[colon] !== ':') throw new Error(`expected \`:\`${at(colon + 1)}`)
    const start = skip(body, colon + 1)
    const valueEnd = endOf(body, start)
    const [key, value] = [parse(body, next, keyEnd) as string, parse(body, start, valueEnd)]
    fields.push({ key, keyEnd, value, valueEnd })
    next = skip(body, valueEnd)
    if (body[next] === ',') next = skip(body, next + 1)
    else if (body[next] !== '}') throw new Error(`expected \`,\` or \`}\`${at(next + 1)}`)
  }
  return fields
}

function parse(body: string, from: number, to: number): unknown {
  try {
    return JSON.parse(body.slice(from, to))
  } catch {
    throw new Error(`expected value${at(from + 1)}`)
  }
}

function skip(text: string, from: number): number {
  let next = from
  while (/\s/.test(text[next] ?? '')) next++
  return next
}

/** Where the value that begins there ends. */
function endOf(text: string, from: number): number {
  let depth = 0
  for (let next = from; next < text.length; next++) {
    const [character = ''] = text[next]!
    if (character === '"') {
      while (++next < text.length && text[next] !== '"') if (text[next] === '\\') next++
      if (depth === 0) return next + 1
    } else if ('{['.includes(character)) depth++
    else if ('}]'.includes(character)) {
      if (depth === 0) return next
      if (--depth === 0) return next + 1
    } else if (depth === 0 && /[\s,]/.test(character)) return next
  }
  return text.length
}
