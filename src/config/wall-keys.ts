/**
 * A slip of the pen must not take a wall away: a name that almost is that of a key about one is refused, and so is such a key in a place where
 * nobody reads it.
 */
import { KataError } from '../errors.ts'
import { isTable } from './files/toml-file.ts'
import { fateOf } from './kata/kata-key.ts'
import { tableName } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'
import { isAtMostOneEdit } from './nearest.ts'
import { quoteValue } from './value-types.ts'

/** Case and separators do not count. */
const bare = (name: string): string => name.toLowerCase().replace(/[-_]/g, '')

/** How deep tables are looked into: the known ones are two or three deep. */
const deepest = 8

/**
 * A check of what stands at a path, where no key or table of that name is known. A table is looked into: its own name may be the slip. The
 * check is made once for a file, which may have thousands of unknown keys. `whereOf` names a place for messages. The check throws:
 *
 * @throws KataError CONFIG_WALL_MISSPELLED when a key about a wall, of whichever table, is at most one edit away; CONFIG_UNSUPPORTED for a
 *   protection of Kata's that kata-ts does not give
 */
export function wallGuard(
  { driver, keys, kata }: KnownKeys,
  whereOf: (path: readonly string[]) => string,
): (path: readonly string[], value: unknown) => void {
  const walls = keys
    .filter(({ wall }) => wall)
    .flatMap((spec) => [spec.key, ...spec.aliases].map((name) => ({ spec, name: bare(name) })))
  const protections = kata().map((key) => ({ key, name: bare(key.key) }))

  const requireNoWall = (path: readonly string[], given: string) => {
    const meant = walls.find(({ name }) => isAtMostOneEdit(given, name))
    if (meant !== undefined)
      throw new KataError('CONFIG_WALL_MISSPELLED', {
        where: whereOf(path),
        name: quoteValue(path.join('.')),
        key: meant.spec.key,
        table: tableName(driver, meant.spec.table),
      })
  }
  const requireNoProtection = (path: readonly string[], given: string, value: unknown) => {
    const meant = protections.find(
      ({ key, name }) => isAtMostOneEdit(given, name) && fateOf(key, value) === 'refused',
    )
    if (meant !== undefined)
      throw new KataError('CONFIG_UNSUPPORTED', {
        where: whereOf(path),
        asked: `${path.join('.')} = ${quoteValue(value)}`,
        reason: `it resembles ${meant.key.key}: ${meant.key.about}`,
      })
  }
  const requireNothingMeant = (path: readonly string[], value: unknown): void => {
    const given = bare(path.at(-1)!)
    requireNoWall(path, given)
    requireNoProtection(path, given, value)
    if (path.length === deepest) return
    for (const table of Array.isArray(value) ? value : [value])
      if (isTable(table))
        for (const [name, inner] of Object.entries(table)) requireNothingMeant([...path, name], inner)
  }
  return requireNothingMeant
}
