/** TypeScript of one .proto file: interfaces, types of messages (src/protobuf/message.ts), enums and descriptions of services. */
import { posix } from 'node:path'
import type {
  EnumDescriptor,
  FieldDescriptor,
  FileDescriptor,
  MessageDescriptor,
  ServiceDescriptor,
} from './descriptor.ts'

/** Numbers of fields in descriptor.proto, of which the paths of comments consist. */
const at = { messages: 4, enums: 5, services: 6, field: 2, nestedEnums: 4, value: 2, method: 2 } as const

const scalars: Readonly<Record<string, readonly [kind: string, type: string]>> = {
  TYPE_STRING: ['string', 'string'],
  TYPE_BYTES: ['bytes', 'Uint8Array'],
  TYPE_BOOL: ['bool', 'boolean'],
  TYPE_INT32: ['int32', 'number'],
  TYPE_UINT32: ['uint32', 'number'],
  TYPE_INT64: ['int64', 'bigint'],
  TYPE_UINT64: ['uint64', 'bigint'],
}

/** @throws Error for what the codec does not have. */
export function sourceOf(file: FileDescriptor, all: readonly FileDescriptor[]): string {
  return new Source(file, all).text()
}

class Source {
  readonly #file: FileDescriptor
  /** The module and the name in it of each message and enum, by the full name. */
  readonly #declared = new Map<string, { readonly file: string; readonly name: string }>()
  readonly #comments = new Map<string, string>()
  /** Names from other modules, by module: whether they are used as values, too. */
  readonly #imports = new Map<string, Map<string, boolean>>()
  /** Types that lines of messages name. */
  readonly #named = new Set<string>()

  constructor(file: FileDescriptor, all: readonly FileDescriptor[]) {
    this.#file = file
    for (const { name, package: scope = '', messageType = [], enumType = [] } of all) {
      const declare = (full: string, local: string) => this.#declared.set(full, { file: name, name: local })
      const prefix = scope === '' ? '' : `.${scope}`
      for (const one of enumType) declare(`${prefix}.${one.name}`, one.name)
      for (const message of messageType) {
        declare(`${prefix}.${message.name}`, message.name)
        for (const one of message.enumType ?? [])
          declare(`${prefix}.${message.name}.${one.name}`, `${message.name}_${one.name}`)
      }
    }
    for (const { path = [], leadingComments, trailingComments } of file.sourceCodeInfo.location) {
      const comment = leadingComments ?? trailingComments
      if (comment !== undefined) this.#comments.set(path.join(), comment)
    }
  }

  text(): string {
    const { name, enumType = [], messageType = [], service = [] } = this.#file
    const parts = [
      ...enumType.map((one, index) => this.#enum(one, one.name, [at.enums, index])),
      ...messageType.flatMap((message, index) => this.#message(message, [at.messages, index])),
      ...service.map((one, index) => this.#service(one, [at.services, index])),
    ]
    if (this.#named.size > 0)
      parts.push(
        `/** The types that lines of messages name. */\nfunction types(): Types {\n  return { ${[...this.#named].sort().join(', ')} }\n}\n`,
      )
    return [
      `// Made of ${name} by setup/protocol/generate.ts. Do not edit.\n${this.#importLines()}`,
      ...parts,
    ].join('\n')
  }

  #importLines(): string {
    const here = posix.dirname(this.#file.name)
    const codec = posix.relative(posix.join('protocol/generated', here), 'protobuf/message.ts')
    const lines = []
    if ((this.#file.messageType ?? []).length > 0)
      lines.push(`import { Message${this.#named.size > 0 ? ', type Types' : ''} } from '${codec}'`)
    for (const [file, names] of [...this.#imports].sort(([one], [other]) => (one < other ? -1 : 1))) {
      const path = posix.relative(here, file.replace(/\.proto$/, '.ts'))
      const list = [...names].sort().map(([name, isValue]) => (isValue ? name : `type ${name}`))
      lines.push(`import { ${list.join(', ')} } from '${path.startsWith('.') ? path : `./${path}`}'`)
    }
    return lines.map((line) => `${line}\n`).join('')
  }

  #enum({ value }: EnumDescriptor, name: string, path: readonly number[]): string {
    const values = value.map((one, index) =>
      this.#commented([...path, at.value, index], `${one.name}: ${one.number ?? 0},`, '  '),
    )
    return (
      this.#commented(path, `export const ${name} = {`) +
      values.join('') +
      `} as const\nexport type ${name} = (typeof ${name})[keyof typeof ${name}]\n`
    )
  }

  #message(message: MessageDescriptor, path: readonly number[]): string[] {
    const { name, field = [], nestedType = [], enumType = [] } = message
    if (nestedType.some(({ options }) => options?.mapEntry !== true))
      throw new Error(`${name} has messages inside`)
    const properties = field.map((one, index) => {
      const mark = one.proto3Optional ? '?' : ''
      return this.#commented(
        [...path, at.field, index],
        `${camelCase(one.name)}${mark}: ${this.#type(one, nestedType)}`,
        '  ',
      )
    })
    const body = properties.length === 0 ? ' {}\n' : ` {\n${properties.join('')}}\n`
    const line = [...field]
      .sort((one, other) => one.number - other.number)
      .map((one) => `${one.number} ${camelCase(one.name)} ${this.#kind(one, nestedType)}`)
      .join(';')
    const isNaming = field.some((one) => (mapValueOf(one, nestedType) ?? one).type === 'TYPE_MESSAGE')
    return [
      ...enumType.map((one, index) =>
        this.#enum(one, `${name}_${one.name}`, [...path, at.nestedEnums, index]),
      ),
      this.#commented(path, `export interface ${name}${body.trimEnd()}`) +
        `export const ${name}: Message<${name}> = /* @__PURE__ */ new Message('${line}'${isNaming ? ', types' : ''})\n`,
    ]
  }

  #service({ name, method }: ServiceDescriptor, path: readonly number[]): string {
    const scope = this.#file.package === undefined ? '' : `${this.#file.package}.`
    const methods = method.map((one, index) => {
      if (one.clientStreaming || one.serverStreaming) throw new Error(`${name}.${one.name} has streams`)
      const [request, response] = [one.inputType, one.outputType].map((type) => this.#reference(type, true))
      const text = `${one.name[0]!.toLowerCase()}${one.name.slice(1)}: {
      name: '${one.name}',
      requestType: ${request},
      requestStream: false,
      responseType: ${response},
      responseStream: false,
    },`
      return this.#commented([...path, at.method, index], text, '    ')
    })
    return (
      this.#commented(path, `export const ${name}Definition = {`) +
      `  name: '${name}',\n  fullName: '${scope}${name}',\n  methods: {\n${methods.join('')}  },\n} as const\nexport type ${name}Definition = typeof ${name}Definition\n`
    )
  }

  #type(field: FieldDescriptor, nested: readonly MessageDescriptor[]): string {
    const value = mapValueOf(field, nested)
    if (value !== undefined) return `{ [key: string]: ${this.#single(value)} }`
    if (field.label === 'LABEL_REPEATED') return `${this.#single(field)}[]`
    const mayBeAbsent = field.proto3Optional || field.type === 'TYPE_MESSAGE'
    return `${this.#single(field)}${mayBeAbsent ? ' | undefined' : ''}`
  }

  #single({ type, typeName }: FieldDescriptor): string {
    return typeName === undefined ? scalarOf(type)[1] : this.#reference(typeName, type === 'TYPE_MESSAGE')
  }

  #kind(field: FieldDescriptor, nested: readonly MessageDescriptor[]): string {
    if (field.oneofIndex !== undefined && !field.proto3Optional)
      throw new Error(`${field.name} is in a oneof`)
    if (field.options?.packed === false) throw new Error(`${field.name} is not packed`)
    const value = mapValueOf(field, nested)
    if (value !== undefined) return `${this.#singleKind(value)}{}`
    if (field.label === 'LABEL_REPEATED') return `${this.#singleKind(field)}[]`
    const mayBeAbsent = field.proto3Optional || field.type === 'TYPE_MESSAGE'
    return `${this.#singleKind(field)}${mayBeAbsent ? '?' : ''}`
  }

  #singleKind({ type, typeName }: FieldDescriptor): string {
    if (type === 'TYPE_ENUM') return 'int32'
    if (typeName === undefined) return scalarOf(type)[0]
    const name = this.#reference(typeName, true)
    this.#named.add(name)
    return name
  }

  /** The name of a type here, which is imported when it is another file's. */
  #reference(full: string, isValue: boolean): string {
    const found = this.#declared.get(full)
    if (found === undefined) throw new Error(`${full} is declared nowhere`)
    const { file, name } = found
    if (file === this.#file.name) return name
    const names = this.#imports.get(file) ?? new Map<string, boolean>()
    names.set(name, isValue || names.get(name) === true)
    this.#imports.set(file, names)
    return name
  }

  #commented(path: readonly number[], text: string, indent = ''): string {
    const comment = this.#comments.get(path.join())
    const lines = comment
      ?.trim()
      .split('\n')
      .map((line) => line.trim())
    const before =
      lines === undefined
        ? ''
        : lines.length === 1
          ? `${indent}/** ${lines[0]} */\n`
          : `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`
    return `${before}${indent}${text}\n`
  }
}

/** The values of a map; undefined for a field that is none. @throws Error for keys that are no strings. */
function mapValueOf(
  field: FieldDescriptor,
  nested: readonly MessageDescriptor[],
): FieldDescriptor | undefined {
  const entry = nested.find(({ name }) => field.typeName?.endsWith(`.${name}`))
  if (field.type !== 'TYPE_MESSAGE' || entry === undefined) return undefined
  const [key, value] = entry.field ?? []
  if (key?.type !== 'TYPE_STRING' || value === undefined)
    throw new Error(`${field.name} is no map from strings`)
  return value
}

function scalarOf(type: string): readonly [kind: string, type: string] {
  const scalar = scalars[type]
  if (scalar === undefined) throw new Error(`src/protobuf/scalars.ts has no ${type}`)
  return scalar
}

const camelCase = (name: string): string =>
  name.replaceAll(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
