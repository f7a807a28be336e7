/** The JSON Schema of configuration.toml, from the table of keys: for editors, which check and complete with it. */
import { configurations, drivers, nameOf } from '../../src/config/drivers.ts'
import { fileValue } from '../../src/config/files/toml-text.ts'
import type { KataTable } from '../../src/config/kata/kata-key.ts'
import { innerTables, kataKeys, unsetByEmpty } from '../../src/config/kata/kata-keys.ts'
import { allKeys, type KeySpec, keysFor, type TableName } from '../../src/config/keys.ts'

/** Where the Debian package has it. */
export const installedSchema = '/usr/share/kata-ts/configuration.schema.json'

interface Schema {
  readonly [keyword: string]: unknown
}

/** docs/configuration.schema.json. Draft 4 is what taplo, the language server for TOML, is made for. */
export function configurationSchema(): string {
  const hypervisors = drivers.map((driver): [string, Schema] => [
    driver,
    table(
      'hypervisor',
      `The virtual machine (${nameOf(driver)}), the VMM process and the share.`,
      keysFor(driver).filter((spec) => spec.drivers.includes(driver)),
    ),
  ])
  const schema = {
    $schema: 'http://json-schema.org/draft-04/schema#',
    title: 'configuration.toml of kata-ts',
    ...object('', {
      hypervisor: {
        ...object('One table, whose name chooses the VMM.', Object.fromEntries(hypervisors)),
        maxProperties: 1,
      },
      agent: object('', { kata: table('agent.kata', 'The agent in the guest.', allKeys()) }),
      runtime: table('runtime', 'The runtime on the host.', allKeys(), { hypervisor_name: vmmName() }),
      factory: innerTable('factory'),
      image: innerTable('image'),
    }),
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Keys of Kata Containers that have no effect here stand in it too: a file of Kata's is no error. */
function table(
  name: TableName,
  description: string,
  specs: readonly KeySpec[],
  more: Readonly<Record<string, Schema>> = {},
): Schema {
  const own = specs
    .filter((spec) => spec.table === name)
    .flatMap((spec) => [spec.key, ...spec.aliases].map((key) => [key, property(spec)]))
  const inner = Object.entries(innerTables[name]).map(([key, inner]) => [key, innerTable(inner)])
  return object(description, { ...more, ...kataProperties(name), ...Object.fromEntries([...inner, ...own]) })
}

/** runtime-rs writes the name of the VMM into every file. */
const vmmName = (): Schema => ({
  enum: configurations.flatMap(({ driver, aliases }) => [driver, ...aliases]),
  description: 'The VMM of the hypervisor table, which chooses it.',
})

const property = (spec: KeySpec): Schema => ({
  ...(unsetByEmpty.includes(spec.key) ? orEmpty(spec.type.schema) : spec.type.schema),
  description: `${spec.description} Allowed: ${spec.type.name}, ${spec.type.allowed}.`,
  default: fileValue(spec, spec.shipped),
})

/** A text may be empty, too. */
function orEmpty({ enum: words, pattern, ...rest }: Schema): Schema {
  return {
    ...rest,
    ...(Array.isArray(words) && { enum: [...words, ''] }),
    ...(pattern !== undefined && { pattern: `^$|${pattern}` }),
  }
}

const innerTable = (name: KataTable): Schema =>
  name === 'factory'
    ? table(name, 'Templates of machines.', allKeys())
    : object('Kata Containers has these keys; kata-ts does not implement them.', kataProperties(name))

const kataProperties = (name: KataTable): Readonly<Record<string, Schema>> =>
  Object.fromEntries(
    kataKeys()
      .filter((key) => key.table === name)
      .map(({ key, about }) => [key, { description: `Not implemented: ${about}.`, deprecated: true }]),
  )

function object(description: string, properties: Readonly<Record<string, Schema>>): Schema {
  return {
    ...(description !== '' && { description }),
    type: 'object',
    properties,
    additionalProperties: false,
  }
}
