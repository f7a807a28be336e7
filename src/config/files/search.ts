/** Finds the configuration file. */

import { lstatSync, readdirSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { KataError } from '../../errors.ts'
import { bundleOf } from '../../own-bundle.ts'

const bundle = bundleOf(process.execPath)

/** Where a configuration file is looked for, best first: our own place, the bundle's if this is it, then Kata's two. */
const defaultSearchPaths: readonly string[] = [
  '/etc/kata-ts/configuration.toml',
  ...(bundle === undefined ? [] : [bundle.configuration]),
  '/etc/kata-containers/configuration.toml',
  '/usr/share/defaults/kata-containers/configuration.toml',
]

/** Which defaults a file has: ours, as shipped, or those of Kata Containers. */
export type Reading = 'shipped' | 'kata'

/** Where Kata's packages and kata-deploy install files, below any prefix. */
const kataPlaces = /^\/etc\/kata-containers\/|\/share\/defaults\/kata-containers\//

/** Decided by the path that was named or searched, links not followed: who links our name to Kata's file wants our walls. */
export const readingOf = (path: string): Reading => (kataPlaces.test(resolve(path)) ? 'kata' : 'shipped')

export interface MainFile {
  /** Symbolic links followed. */
  readonly path: string
  readonly reading: Reading
  /** A directory of drop-ins that have no effect, because it stands beside a link, and the one that counts. */
  readonly unread?: { readonly unread: string; readonly read: string }
}

/**
 * The main file: the one given, else that of KATA_CONF_FILE (only if it is one of the installed files, because
 * environment variables are inherited), else the first that exists; undefined when there is none.
 * @throws KataError CONFIG_NOT_FOUND, CONFIG_ENV_REFUSED, CONFIG_UNREADABLE, CONFIG_DROP_INS_ALONE, CONFIG_CONFLICT
 */
export function findMainFile({
  file,
  env,
  searchPaths = defaultSearchPaths,
}: {
  file?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  searchPaths?: readonly string[] | undefined
}): MainFile | undefined {
  if (file !== undefined) return found(resolve(file), requireFile(resolve(file), searchPaths), searchPaths)
  const fromEnv = env.KATA_CONF_FILE
  if (fromEnv === undefined || fromEnv === '') return firstOf(searchPaths)
  const path = resolved(fromEnv)
  if (path === undefined || !searchPaths.some((name) => resolved(name) === path))
    throw new KataError('CONFIG_ENV_REFUSED', { path: fromEnv, allowed: searchPaths.join(', ') })
  return found(resolve(fromEnv), path, searchPaths)
}

/** Drop-ins beside a link do not count, as in Kata: they stand beside the file that it leads to. Where the link is ours, they are an error. */
function found(name: string, path: string, searchPaths: readonly string[]): MainFile {
  const main = { path, reading: readingOf(name) }
  const isOurs = main.reading === 'shipped' && searchPaths.includes(name)
  const directory = dropInsOf(name)
  const read = dropInsOf(path)
  if (isOurs && isThere(directory)) requireLinkLeads(directory)
  if (isEmpty(directory) || resolved(directory) === resolved(read)) return main
  if (!isOurs) return { ...main, unread: { unread: directory, read } }
  throw new KataError('CONFIG_CONFLICT', {
    where: directory,
    reason: `its drop-ins have no effect, because ${name} is a link to ${path}`,
    hint: `Move them to ${read}, or put a copy of the file in place of the link.`,
  })
}

const dropInsOf = (mainFile: string): string => join(dirname(mainFile), 'config.d')

/** A link that leads nowhere is no missing file: behind it may be one that says less of walls. */
function firstOf(names: readonly string[]): MainFile | undefined {
  for (const [index, name] of names.entries()) {
    const path = resolved(name)
    if (path !== undefined) return found(name, path, names)
    if (isThere(name)) requireLinkLeads(name)
    requireNoDropIns(name, names.slice(index + 1))
  }
  return undefined
}

/** Those of a main file that is not there count for no other: a wall that they ask for would not stand. In Kata's places Kata passes over them, too. */
function requireNoDropIns(mainFile: string, others: readonly string[]): void {
  if (readingOf(mainFile) === 'kata') return
  const directory = dropInsOf(mainFile)
  if (isThere(directory)) requireLinkLeads(directory)
  if (isEmpty(directory)) return
  // An empty file says where Debian has its programs; those of a bundle lie elsewhere.
  const used = others.find((name) => readingOf(name) === 'shipped' && isThere(name))
  const likeness = used === undefined ? 'empty' : `a copy of ${used}`
  throw new KataError('CONFIG_DROP_INS_ALONE', { directory, mainFile, likeness })
}

/** What cannot be listed has no files for us. */
function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0
  } catch {
    return true
  }
}

/** What is behind such a link may ask for walls. @throws KataError CONFIG_UNREADABLE. */
export function requireLinkLeads(path: string): void {
  if (resolved(path) === undefined)
    throw new KataError('CONFIG_UNREADABLE', { path, reason: 'it is a link that leads nowhere' })
}

/** Whether the name is taken, whatever it leads to. */
export function isThere(name: string): boolean {
  try {
    lstatSync(name)
    return true
  } catch {
    return false
  }
}

function requireFile(path: string, searchPaths: readonly string[]): string {
  const found = resolved(path)
  if (found === undefined) throw new KataError('CONFIG_NOT_FOUND', { path, searched: searchPaths.join(', ') })
  return found
}

/** The path with symbolic links followed; undefined when it leads nowhere. */
function resolved(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new KataError('CONFIG_UNREADABLE', { path: JSON.stringify(path), reason: String(code) }, { cause })
  }
}
