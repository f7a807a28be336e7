/**
 * The guest's further modules in one file, which the guest reads without mounting anything: an index, then the module files as
 * Debian packs them.
 *
 *   kata-ts-modules 1 0000123456            the length of the index in bytes, this line not counted
 *   m NAME OFFSET SIZE ORDER... NAME        a module that may be asked for: its bytes from the index's end on, and what to load
 *   d NAME OFFSET SIZE ORDER... NAME        one that only others need
 *   a ALIAS NAME...                         what the kernel asks for, and what it means
 *   p PATTERN NAME...                       the same with `*` in it
 *
 * Names and aliases have underscores where the kernel's have dashes, as modprobe(8) takes both for the same.
 */
import { readFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { type KernelModule, loadOrders } from './collect.ts'

/** Equal modules give equal bytes. `listed` are the names that may be asked for. @throws KataError IMAGE_PACKAGE_CONTENT. */
export function moduleArchive(modules: readonly KernelModule[], listed: ReadonlySet<string>): Uint8Array {
  const sorted = [...modules].sort((a, b) => (a.name < b.name ? -1 : 1))
  const orders = loadOrders(sorted)
  const lines: string[] = []
  const bodies: Uint8Array[] = []
  let offset = 0
  for (const { name, file } of sorted) {
    const body = packedFile(name, file)
    const kind = listed.has(name) ? 'm' : 'd'
    lines.push([kind, name, offset, body.length, ...orders.get(name)!].join(' '))
    bodies.push(body)
    offset += body.length
  }
  const index = Buffer.from([...lines, ...aliasLines(sorted, listed)].map((line) => `${line}\n`).join(''))
  const header = `kata-ts-modules 1 ${String(index.length).padStart(10, '0')}\n`
  return Buffer.concat([Buffer.from(header), index, ...bodies])
}

/** The guest's kernel unpacks one kind only (CONFIG_MODULE_COMPRESS_XZ). */
function packedFile(name: string, file: string): Uint8Array {
  const body = readFileSync(file)
  if (body.subarray(0, 6).toString('hex') !== 'fd377a585a00')
    throw new KataError('IMAGE_PACKAGE_CONTENT', {
      name: `kernel module ${name}`,
      reason: 'it is not packed by xz',
    })
  return body
}

function aliasLines(modules: readonly KernelModule[], listed: ReadonlySet<string>): string[] {
  const names = new Map<string, Set<string>>()
  for (const { name, aliases } of modules.filter(({ name }) => listed.has(name)))
    for (const alias of aliases.filter(isPlain).map((alias) => alias.replaceAll('-', '_')))
      names.set(alias, (names.get(alias) ?? new Set()).add(name))
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([alias, modules]) => [alias.includes('*') ? 'p' : 'a', alias, ...modules].join(' '))
}

/** The few with sets of characters are of processors and firmware, which no listed module is for. */
const isPlain = (alias: string): boolean => /^[!-~]+$/.test(alias) && !/[?[\]]/.test(alias)
