/** kata-ts.toml(5): every key of configuration.toml, as docs/configuration.md has them. */
import { drivers, nameOf } from '../../../src/config/drivers.ts'
import { tomlValue } from '../../../src/config/files/toml-text.ts'
import { allKeys, type KeySpec, type TableName } from '../../../src/config/keys.ts'
import type { Edition } from './man-pages.ts'
import { bold, heading, item, prose, text, title } from './roff.ts'

const tables: readonly { readonly table: TableName; readonly name: string; readonly about: string }[] = [
  {
    table: 'hypervisor',
    name: drivers.map((driver) => `[hypervisor.${driver}]`).join(', '),
    about: `The virtual machine, the VMM process and the share. A file has one of these tables, and its name chooses the VMM: ${drivers.map((driver) => nameOf(driver)).join(', ')}.`,
  },
  { table: 'agent.kata', name: '[agent.kata]', about: 'The agent in the guest.' },
  { table: 'runtime', name: '[runtime]', about: 'The runtime on the host.' },
  { table: 'factory', name: '[factory]', about: 'Templates of machines, and machines that wait.' },
]

export function configurationManual({ version, date }: Edition): string {
  return [
    title('kata-ts.toml', 5, date, `kata-ts ${version}`, 'kata-ts manual'),
    heading('Name'),
    'kata\\-ts.toml \\- configuration of kata\\-ts\n',
    heading('Synopsis'),
    '\\fI/etc/kata\\-ts/configuration.toml\\fR\n.br\n\\fI/etc/kata\\-ts/config.d/*\\fR\n',
    heading('Description'),
    `${prose('The file is that of Kata Containers, in TOML. A key that is missing has the value that is shipped. Files in `config.d` beside it are read after it, in lexical order, and each has only the keys that it changes. An unknown key is a warning that names the nearest known one; a wrong type or value is an error. `kata-ts config show` prints the effective configuration.')}\n`,
    ...tables.flatMap(({ table, name, about }) => [
      heading(name),
      `${text(about)}\n`,
      ...allKeys()
        .filter((spec) => spec.table === table)
        .map(keyItem),
    ]),
    heading('See also'),
    `${bold('kata-ts')}(1), ${bold('kata-ts-config-show')}(1)\n`,
  ].join('')
}

function keyItem(spec: KeySpec): string {
  const { key, description, type, shipped, annotation, allowList } = spec
  const facts = [
    ...(spec.drivers.length < drivers.length
      ? [`For ${spec.drivers.map((driver) => nameOf(driver)).join(' and ')}.`]
      : []),
    `Allowed: ${type.name}, ${type.allowed}. Shipped: \`${tomlValue(spec, shipped)}\`.`,
    ...(annotation === undefined
      ? []
      : [`Annotation: \`${annotation}\`${allowList ? `, limited by \`${allowList.key}\`` : ''}.`]),
  ]
  return item(bold(key), `${prose(description)}\n.br\n${facts.map(prose).join('\n')}`)
}
