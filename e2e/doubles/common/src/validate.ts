/** Holds a request against the API description: an unknown field, a missing one and one of another type are refused. */

/** An API's types: the fields of each, `!` marks one that must be there, `[]` a list. */
export interface Schema {
  readonly types: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly enumerations: Readonly<Record<string, readonly string[]>>
  /** Fields that it does not know do not trouble it. */
  readonly ignoresUnknown?: boolean
}

/** What is wrong with `value`, which should be of type `name`; undefined when nothing is. */
export function complaint(schema: Schema, value: unknown, name: string, path = name): string | undefined {
  if (name.endsWith('[]')) return listComplaint(schema, value, name.slice(0, -2), path)
  if (name === 'integer') return Number.isSafeInteger(value) ? undefined : `${path} is not an integer`
  if (name === 'string' || name === 'boolean')
    return typeof value === name ? undefined : `${path} is not a ${name}`
  const values = schema.enumerations[name]
  if (values !== undefined)
    return values.includes(value as string) ? undefined : unknownVariant(value, values)
  return objectComplaint(schema, value, name, path)
}

/** As the real programs' parser has it. */
const unknownVariant = (value: unknown, values: readonly string[]): string =>
  `unknown variant \`${value}\`, expected one of ${values.map((known) => `\`${known}\``).join(', ')}`

function listComplaint(schema: Schema, value: unknown, item: string, path: string): string | undefined {
  if (!Array.isArray(value)) return `${path} is not a list`
  return value
    .map((entry, index) => complaint(schema, entry, item, `${path}[${index}]`))
    .find((text) => text !== undefined)
}

function objectComplaint(schema: Schema, value: unknown, name: string, path: string): string | undefined {
  const fields = schema.types[name]
  if (fields === undefined) throw new Error(`no type ${name}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path} is not an object`
  const given = value as Record<string, unknown>
  const unknown = Object.keys(given).find((key) => !(key in fields))
  if (unknown !== undefined && schema.ignoresUnknown !== true) return `unknown field ${path}.${unknown}`
  for (const [key, type] of Object.entries(fields)) {
    const required = type.endsWith('!')
    if (given[key] === undefined && required) return `missing field ${path}.${key}`
    if (given[key] === undefined) continue
    const text = complaint(schema, given[key], required ? type.slice(0, -1) : type, `${path}.${key}`)
    if (text !== undefined) return text
  }
  return undefined
}
