/**
 * A slip of the pen must not take a wall away: a name that almost is that of a key about one is refused, and so is such a key in a place where
 * nobody reads it.
 */
import { KataError } from '../errors.ts'
import { isTable } from './files/toml-file.ts'
import { fateOf } from './kata/kata-key.ts'
import { tableName } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'
import { editDistance } from './nearest.ts'
import { quoteValue } from './value-types.ts'

/** Case and separators apart, at most one letter more, less, swapped or other. */
function isOneEditAway(name: string, key: string): boolean {
  const [one, other] = [name, key].map((text) => text.toLowerCase().replace(/[-_]/g, ''))
  return Math.abs(one!.length - other!.length) <= 1 && editDistance(one!, other!) <= 1
}

/** How deep tables are looked into: the known ones are two or three deep. */
const deepest = 8

/**
 * For what stands at `path`, where no key or table of that name is known. A table is looked into: its own name may be the slip.
 *
 * @throws KataError CONFIG_WALL_MISSPELLED when a key about a wall, of whichever table, is at most one edit away; CONFIG_UNSUPPORTED for a
 *   protection of Kata's that kata-ts does not give
 */
export function requireNothingMeant(
  known: KnownKeys,
  path: readonly string[],
  value: unknown,
  whereOf: (path: readonly string[]) => string,
): void {
  requireNoWallMeant(known, path, whereOf)
  requireNoProtectionMeant(known, path, value, whereOf)
  if (path.length === deepest) return
  for (const table of Array.isArray(value) ? value : [value])
    if (isTable(table))
      for (const [name, inner] of Object.entries(table))
        requireNothingMeant(known, [...path, name], inner, whereOf)
}

function requireNoWallMeant(
  { driver, keys }: KnownKeys,
  path: readonly string[],
  whereOf: (path: readonly string[]) => string,
): void {
  const name = path.at(-1)!
  const meant = keys.find(
    ({ wall, key, aliases }) => wall && [key, ...aliases].some((known) => isOneEditAway(name, known)),
  )
  if (meant !== undefined)
    throw new KataError('CONFIG_WALL_MISSPELLED', {
      where: whereOf(path),
      name: quoteValue(path.join('.')),
      key: meant.key,
      table: tableName(driver, meant.table),
    })
}

function requireNoProtectionMeant(
  { kata }: KnownKeys,
  path: readonly string[],
  value: unknown,
  whereOf: (path: readonly string[]) => string,
): void {
  const name = path.at(-1)!
  const meant = kata.find((key) => isOneEditAway(name, key.key) && fateOf(key, value) === 'refused')
  if (meant !== undefined)
    throw new KataError('CONFIG_UNSUPPORTED', {
      where: whereOf(path),
      asked: `${path.join('.')} = ${quoteValue(value)}`,
      reason: `it resembles ${meant.key}: ${meant.about}`,
    })
}
