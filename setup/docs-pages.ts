/** The pages and the configuration file that come from tables in the code, as text. */
import { factoryKeys, unsupportedKeys } from '../src/config/kata-keys.ts'
import { type KeySpec, keys, type TableName } from '../src/config/keys.ts'
import { tomlValue } from '../src/config/toml-text.ts'
import type { CatalogueEntry } from '../src/errors.ts'

const generated = (source: string) =>
  `Generated from ${source} by \`bun setup/generate-docs.ts\`: change it there.`

/** docs/errors.md: every coded error with its sentence, remedy and ttrpc status. */
export function errorsPage(catalogue: Readonly<Record<string, CatalogueEntry>>): string {
  const entries = Object.entries(catalogue)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { sentence, remedy, status }]) =>
        `## ${code}\n\n${asText(sentence)}.\n\n- What to do: ${asText(remedy)}\n- ttrpc status: \`${status}\`\n`,
    )
  return `# Errors

<!-- ${generated('src/errors.ts')} -->

Every error that kata-ts reports has a stable code. Messages read \`[CODE] what went wrong. What to do.\`; words in
braces below stand for the things that a message names.

${entries.join('\n')}`
}

/** Braces and angle brackets as they are, not as markup. */
const asText = (text: string) => text.replace(/\{(\w+)\}/g, '*{$1}*').replace(/</g, '\\<')

const tables: readonly { readonly table: TableName; readonly about: string }[] = [
  { table: 'hypervisor.qemu', about: 'The virtual machine, the VMM process and the share.' },
  { table: 'agent.kata', about: 'The agent in the guest.' },
  { table: 'runtime', about: 'The runtime on the host.' },
]

const keysIn = (table: TableName) => keys.filter((spec) => spec.table === table)

/** docs/configuration.md. */
export function configurationPage(): string {
  const sections = tables.map(({ table, about }) => {
    const rows = keysIn(table).map(keyEntry).join('\n')
    const unsupported = unsupportedKeys[table].map((key) => `\`${key}\``).join(', ')
    return `## \`[${table}]\`\n\n${about}\n\n${rows}\nKnown to Kata Containers, named in a warning and without effect: ${unsupported}.\n`
  })
  return `# configuration.toml

<!-- ${generated('src/config/keys.ts')} -->

kata-ts reads Kata Containers' configuration file. The first of these that exists is used:

1. the file that was named: \`--config FILE\`, or \`ConfigPath\` in containerd's runtime options;
2. \`KATA_CONF_FILE\`, if it leads to one of the installed files below;
3. \`/etc/kata-ts/configuration.toml\`;
4. \`/etc/kata-containers/configuration.toml\`;
5. \`/usr/share/defaults/kata-containers/configuration.toml\`.

Without any, a built-in configuration is used: the values under "shipped", which are those of
\`packaging/configuration.toml\`. In particular it says \`rootless = true\`, whereas a file without that key means false.

Files in the directory \`config.d\` beside the file (symbolic links followed) are read in lexical order. Each holds the
keys that it changes; a list replaces the earlier list.

An unknown key is a warning with the nearest known name. A wrong type or value is an error that names file, line and
what is allowed. \`kata-ts config show\` prints what is in force.

A pod may ask for a key that has an annotation, \`io.katacontainers.config.hypervisor.<name>\`, if
\`enable_annotations\` names it; otherwise the pod is refused. \`rootless: "true"\` needs no permission, since it takes
rights away; \`io.katacontainers.hypervisor.rootless\` is a second spelling of it.

${sections.join('\n')}
## \`[factory]\`

Known to Kata Containers, named in a warning and without effect: ${factoryKeys.map((key) => `\`${key}\``).join(', ')}.
`
}

function keyEntry(spec: KeySpec): string {
  const { key, aliases, type, absent, shipped, meaning, own, annotation, allowList } = spec
  const [absentText, shippedText] = [tomlValue(spec, absent), tomlValue(spec, shipped)]
  const facts = [
    `Allowed: ${type.name}, ${type.allowed}.`,
    absentText === shippedText
      ? `Default: \`${absentText}\`.`
      : `Absent: \`${absentText}\`; shipped: \`${shippedText}\`.`,
    ...(aliases.length > 0 ? [`Also written ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`] : []),
    ...(annotation === undefined
      ? []
      : [`Annotation: \`${annotation}\`${allowList ? `, limited by \`${allowList.key}\`` : ''}.`]),
    ...(own ? ['kata-ts only.'] : []),
  ]
  return `### \`${key}\`\n\n${meaning}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}\n`
}

/** packaging/configuration.toml: every key with the value that we ship, and what it means. */
export function configurationFile(): string {
  const sections = tables.map(
    ({ table, about }) => `# ${about}\n[${table}]\n\n${keysIn(table).map(fileEntry).join('\n')}`,
  )
  return `# kata-ts configuration. Install as /etc/kata-ts/configuration.toml; docs/configuration.md says more.
# ${generated('src/config/keys.ts')}
# Every key stands here with the value that is also used when no configuration file exists.

${sections.join('\n')}`
}

function fileEntry(spec: KeySpec): string {
  const { key, type, shipped, meaning } = spec
  const comment = wrap(`${meaning} Allowed: ${type.name}, ${type.allowed}.`, 108)
  return `${comment.map((line) => `# ${line}`).join('\n')}\n${key} = ${tomlValue(spec, shipped)}\n`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
