/** The page about configuration.toml and the files of packaging/, which come from the table of keys, as text. */

import { hashAnnotations } from '../../src/config/asset-hashes.ts'
import type { HypervisorDriver } from '../../src/config/config.ts'
import { configurationOf, defaultDriver, drivers, nameOf } from '../../src/config/drivers.ts'
import { tomlValue } from '../../src/config/files/toml-text.ts'
import { annotationOf, readAnnotationName } from '../../src/config/kata/annotation-names.ts'
import type { KataKey, KataTable } from '../../src/config/kata/kata-key.ts'
import { kataKeys, unsetByEmpty, unsetByZero } from '../../src/config/kata/kata-keys.ts'
import { keyFor } from '../../src/config/key-spec.ts'
import { allKeys, type KeySpec, keysFor, type TableName, tableName } from '../../src/config/keys.ts'
import { installedSchema } from './configuration-schema.ts'
import { generated, wrap } from './text.ts'

const tables: readonly { readonly table: TableName; readonly title: string; readonly about: string }[] = [
  {
    table: 'hypervisor',
    title: drivers.map((driver) => `\`[hypervisor.${driver}]\``).join(', '),
    about: 'The virtual machine, the VMM process and the share.',
  },
  { table: 'agent.kata', title: '`[agent.kata]`', about: 'The agent in the guest.' },
  { table: 'runtime', title: '`[runtime]`', about: 'The runtime on the host.' },
  {
    table: 'factory',
    title: '`[factory]`',
    about: `Machines that were booted once and saved, to be cloned. Also written \`[hypervisor.${defaultDriver}.factory]\`, as in runtime-rs.`,
  },
]

/** docs/configuration.md. */
export function configurationPage(): string {
  const sections = tables.map(({ table, title, about }) => {
    const rows = allKeys()
      .filter((spec) => spec.table === table)
      .map(keyEntry)
      .join('\n')
    return `## ${title}\n\n${about}\n\n${rows}\nKeys of Kata Containers that are not implemented:\n\n${kataRows(table)}\n`
  })
  return `# configuration.toml

<!-- ${generated('src/config/keys')} -->

kata-ts reads Kata Containers' configuration file. The first of these that exists is used:

1. the named file: \`--config FILE\`, or \`ConfigPath\` in containerd's runtime options;
2. \`KATA_CONF_FILE\`, if it leads to one of the installed files below;
3. \`/etc/kata-ts/configuration.toml\`;
4. \`/etc/kata-containers/configuration.toml\`;
5. \`/usr/share/defaults/kata-containers/configuration.toml\`.

A dangling link is an error. If none exists, the built-in configuration is used. It has the values under "shipped", which are those of
\`packaging/configuration.toml\`, except \`accelerator = "auto"\`: on a host without KVM you get an emulated machine, and every
start says so.

A key that is missing from the file has the shipped value, so a file of three lines switches no protection off. Only one of Kata's own files is
read as Kata reads it, with the values under "absent"; these include \`rootless = false\`. A file is Kata's
if its path is below \`/etc/kata-containers/\` or below a directory \`share/defaults/kata-containers/\` (in \`/usr\` or \`/opt/kata\`).
Symbolic links are not followed for this.

As in Kata, an empty string means the same as a missing key for ${unsetByEmpty.map((key) => `\`${key}\``).join(', ')}. In a file of Kata's, so does 0
for ${unsetByZero.map((key) => `\`${key}\``).join(' and ')}.

Drop-ins are the files in the directory \`config.d\` beside the file (symbolic links are followed), read in lexical order. Each contains only the keys that it
changes. A list replaces the earlier list. The main file determines what an absent key means. Drop-ins apply to every main file in that directory: give the
files of several VMMs separate directories. The directory and each drop-in must belong to root, to the user who runs kata-ts or to the owner of the main file, and must not be
writable by everybody or by a group other than root's; a group that can write to the main file is allowed. Nor may an access list (\`setfacl\`) let others write to them. Otherwise nothing starts (\`CONFIG_UNSAFE\`). The
same goes for a main file that everybody may write to (\`CONFIG_WRITABLE\`). \`kata-ts check\` warns about a file that a group can write to.
Drop-ins in \`/etc/kata-ts/config.d\` without a \`/etc/kata-ts/configuration.toml\` are an error (\`CONFIG_DROP_INS_ALONE\`); the file may be
empty, or a copy of the [bundle](how-to/bundle.md)'s own file.
So are those beside a \`/etc/kata-ts/configuration.toml\` that is a link: only those beside the file that it leads to are read (\`CONFIG_CONFLICT\`).
Beside another link they cause a warning.

A file has one hypervisor table, whose name selects the VMM:
${drivers.map((driver) => `\`[hypervisor.${driver}]\` ${nameOf(driver)}`).join(', ')}.
Tables of two VMMs are an error, in drop-ins too (Kata takes one of them at random). Without such a table the built-in
configuration is used, which is ${nameOf(defaultDriver)}'s. A few keys have two spellings or may be in two tables: different values in one file are an error.

An unknown key causes a warning that names the nearest known key; beyond 100 in a file, they are only counted. A key that means nothing to the VMM
also causes a warning, if its value asks for something. A wrong type or value is an error that names the file, the line and the allowed
values. So is a value that the VMM does not support.
Keys of Kata Containers that kata-ts does not implement are listed below each table. A value that asks for a protection or a limit is
refused. A value that asks for a feature causes a warning. A value that means off, Kata's default or the actual behaviour is silent. The same
holds for annotations. \`kata-ts config show\` prints the effective configuration.

[configuration.schema.json](configuration.schema.json) is a JSON Schema of the file, and the first line of the shipped files names the
installed copy: an editor with a TOML language server (taplo, Even Better TOML) checks keys and values with it, and completes them.

A misspelt key about a wall, a layer of confinement (\`rootles = true\`), is an error. So is such a key in the wrong table, in a misspelt table or in
none, and a key that asks for a protection which kata-ts does not have. Keys about walls: ${wallKeys()}.

## Annotations

A pod may set a key that has an annotation if \`enable_annotations\` names it. Otherwise the pod is refused, and the error names the
annotation. This is stricter than Kata, on purpose:

- an entry of \`enable_annotations\` must match the whole name (Kata: any part of it, so that \`path\` enables
  \`jailer_path\`, too);
- annotations of \`[runtime]\` and \`[agent.kata]\` need an entry as well, \`"runtime.<name>"\` and \`"agent.<name>"\`
  (Kata never asks): they reach host cgroups, seccomp profiles and the modules of the guest's kernel;
- an annotation that asks for a protection, a limit or a check that kata-ts does not have (\`firmware_hash\`, \`policy\`,
  \`cc_init_data\`, \`kernel_verity_params\`) fails the pod, enabled or not;
- an unknown annotation under \`io.katacontainers.\` fails the pod, and the error names the nearest known one.

An annotation that asks for the configured value needs no permission, and neither does a value that only takes rights away:
\`rootless: "true"\`, which may also be written \`io.katacontainers.hypervisor.rootless\`, and
\`disable_guest_seccomp: "false"\`. containerd passes annotations on if the runtime's
table has \`pod_annotations = ["io.katacontainers.*"]\`.

For \`kernel\`, \`initrd\` and \`image\` there is no list of paths, as in Kata. A pod that may set one can name a file that every user can
read by its path and only root can change, because its guest reads it. Other files are refused (\`ANNOTATION_FILE_REFUSED\`).
Do not enable them for pods that may write to a hostPath volume: root of a container is root there, and can replace a checked file with a
link.

\`cold_plug_vfio: "root-port"\` switches \`hot_plug_vfio\` off, and vice versa, as in Kata.

With ${hashAnnotations.map((name) => `\`${name}\``).join(', ')} a pod demands that its sandbox start only with a
file of that SHA-512 (\`asset_hash_type\`: \`sha512\` and nothing else), whether the configuration names the file or
kata-ts built it. They must be enabled, as in Kata.

| annotation | key | entry of \`enable_annotations\` |
|---|---|---|
${annotationRows().join('\n')}

${sections.join('\n')}
## \`[agent.kata.mem_agent]\`

${kataRows('mem_agent')}

## \`[image]\`

Older versions of Kata Containers have this table.

${kataRows('image')}
`
}

const wallKeys = (): string =>
  allKeys()
    .flatMap(({ wall, key }) => (wall ? [`[\`${key}\`](#${key})`] : []))
    .join(', ')

/** What becomes of the keys that kata-ts does not implement. */
function kataRows(table: KataTable): string {
  const rows = kataKeys()
    .filter((key) => key.table === table)
    .map((key) => [key.key, silentValues(key), otherValues(key)])
  if (table === 'runtime') rows.push(vmmName)
  const lines = rows
    .sort(([a], [b]) => (a! < b! ? -1 : 1))
    .map(([key, silent, others]) => `| \`${key}\` | ${silent} | ${others} |`)
  return `| key | silent | other values |\n|---|---|---|\n${lines.join('\n')}`
}

/** Its values are those of no list: they are judged by the hypervisor table (decode.ts, and kata-annotations.ts for the annotation). */
const vmmName = [
  'hypervisor_name',
  'the VMM of the hypervisor table',
  '**refused**: the hypervisor table chooses the VMM',
]

function silentValues({ silent }: KataKey): string {
  if (silent === 'any') return 'any value'
  return silent.map((value) => `\`${JSON.stringify(value)}\``).join(', ') || 'none'
}

function otherValues({ silent, warned, refusedItem, otherwise, about }: KataKey): string {
  if (silent === 'any') return about
  const exceptions = [
    ...warned.map((value) => `; \`${JSON.stringify(value)}\` is a warning`),
    ...(refusedItem === undefined ? [] : [`; one with \`"${refusedItem}"\` is refused`]),
  ]
  return `${otherwise === 'refused' ? '**refused**' : 'a warning'}: ${about}${exceptions.join('')}`
}

function annotationRows(): string[] {
  return allKeys().flatMap((spec) => {
    const name = annotationOf(spec)
    if (name === undefined) return []
    const { key, restricting } = spec
    const entry = `\`${readAnnotationName(name)!.entry}\``
    const free = restricting === undefined ? '' : `; none for \`"${restricting}"\``
    return [`| \`${name}\` | [\`${key}\`](#${key}) | ${entry}${free} |`]
  })
}

function keyEntry(spec: KeySpec): string {
  const { key, aliases, description, own, annotation, allowList } = spec
  const [first, ...others] = spec.drivers.map((driver) => ({ driver, values: keyFor(spec, driver) }))
  const facts = [
    ...(spec.drivers.length < drivers.length
      ? [`For ${spec.drivers.map((driver) => nameOf(driver)).join(' and ')}.`]
      : []),
    `Allowed: ${first!.values.type.name}, ${first!.values.type.allowed}.`,
    valuesOf(first!.values),
    ...others.flatMap(({ driver, values }) =>
      values === spec ? [] : [`${nameOf(driver)}: ${perDriver(spec, values)}`],
    ),
    ...Object.entries(spec.impossible).map(
      ([driver, reason]) => `An error with ${nameOf(driver as HypervisorDriver)}: ${reason}.`,
    ),
    ...(aliases.length > 0 ? [`Also written ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`] : []),
    ...(annotation === undefined
      ? []
      : [`Annotation: \`${annotation}\`${allowList ? `, limited by \`${allowList.key}\`` : ''}.`]),
    ...(own ? ['kata-ts only.'] : []),
  ]
  return `### \`${key}\`\n\n${description}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}\n`
}

function valuesOf(spec: KeySpec): string {
  const [absent, shipped] = [tomlValue(spec, spec.absent), tomlValue(spec, spec.shipped)]
  const builtIn = tomlValue(spec, spec.builtIn)
  const values = [
    ...(absent === shipped
      ? [`Default: \`${absent}\``]
      : [`Shipped: \`${shipped}\``, `absent from a file of Kata's: \`${absent}\``]),
    ...(builtIn === shipped ? [] : [`without any file: \`${builtIn}\``]),
  ]
  return `${values.join('; ')}.`
}

function perDriver(spec: KeySpec, values: KeySpec): string {
  const allowed = values.type === spec.type ? '' : `allowed ${values.type.allowed}; `
  return `${allowed}${valuesOf(values).replace(/^./, (letter) => letter.toLowerCase())}`
}

/** A file of packaging/: every key of this VMM, the value that we ship, and what it means. */
export function configurationFile(driver: HypervisorDriver): string {
  const sections = tables.flatMap(({ table, about }) => {
    const entries = keysFor(driver)
      .filter((spec) => spec.table === table && spec.drivers.includes(driver))
      .map(fileEntry)
    return entries.length === 0 ? [] : `# ${about}\n[${tableName(driver, table)}]\n\n${entries.join('\n')}`
  })
  const use = configurationOf(driver).accelerators.includes('tcg')
    ? '# Every key is here with the value that it also has when absent; accelerator is "auto" if there is no file.'
    : `# Pods then run in ${nameOf(driver)}; ConfigPath in containerd's runtime options can name a second file.`
  return `#:schema file://${installedSchema}
# kata-ts configuration for ${nameOf(driver)}. Install as /etc/kata-ts/configuration.toml; docs/configuration.md says more.
# ${generated('src/config/keys')}
${use}

${sections.join('\n')}`
}

function fileEntry(spec: KeySpec): string {
  const { key, type, shipped, description } = spec
  const comment = wrap(`${description} Allowed: ${type.name}, ${type.allowed}.`, 108)
  return `${comment.map((line) => `# ${line}`).join('\n')}\n${key} = ${tomlValue(spec, shipped)}\n`
}
