/** A slip of the pen must not take a wall away: a name that almost is that of a key about one is refused. */
import { KataError } from '../errors.ts'
import type { HypervisorDriver } from './config.ts'
import { keysFor, tableName } from './keys.ts'
import { editDistance } from './nearest.ts'
import { quoteValue } from './value-types.ts'

/** Case and separators apart, at most one letter more, less, swapped or other. */
function isOneEditAway(name: string, key: string): boolean {
  const simple = (text: string) => text.toLowerCase().replace(/[-_]/g, '')
  return editDistance(simple(name), simple(key)) <= 1
}

/**
 * For a name that is no key of its table, at the end of `path`.
 * @throws KataError CONFIG_WALL_MISSPELLED when a key about a wall, of this table or another, is at most one edit away
 */
export function requireNoWallMeant(driver: HypervisorDriver, path: readonly string[], where: string): void {
  const name = path.at(-1)!
  const meant = keysFor(driver).find(
    ({ wall, key, aliases }) => wall && [key, ...aliases].some((known) => isOneEditAway(name, known)),
  )
  if (meant !== undefined)
    throw new KataError('CONFIG_WALL_MISSPELLED', {
      where,
      name: quoteValue(path.join('.')),
      key: meant.key,
      table: tableName(driver, meant.table),
    })
}
