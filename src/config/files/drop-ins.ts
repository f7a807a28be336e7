/**
 * The drop-ins of a configuration file. They may turn every wall off and name programs that we start, and a person who names a file
 * in a directory of many users (`--config /tmp/x.toml`) has not looked whether someone else has made a `config.d` beside it.
 */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { KataError } from '../../errors.ts'
import { hasAcl } from '../../linux/acl.ts'
import { isThere, requireLinkLeads } from './search.ts'
import { readTomlFile, type TomlFile } from './toml-file.ts'

/** Who may have written what is read with a main file: root, we ourselves, and who has written that file. */
interface Trusted {
  readonly mainFile: string
  readonly owners: readonly number[]
  /** Root's, and the one that may write the main file, which thereby decides all. */
  readonly groups: readonly number[]
}

/**
 * Reads the files in `config.d` beside the resolved main file when they are called, in lexical order. As in Kata every entry
 * counts, with any suffix, so a sub-directory there is an error when it is read.
 * @throws KataError CONFIG_UNREADABLE, CONFIG_UNSAFE; the readers CONFIG_SYNTAX too
 */
export function findDropIns(mainFile: string): (() => TomlFile)[] {
  const directory = join(dirname(mainFile), 'config.d')
  try {
    const names = readdirSync(directory).sort()
    const { uid, gid, mode } = statSync(mainFile)
    const owners = [0, process.getuid?.() ?? 0, uid]
    // With an access list the group's bit says nothing of the group.
    const mayGroupWrite = (mode & 0o020) !== 0 && !hasAcl(mainFile)
    const trusted = { mainFile, owners, groups: mayGroupWrite ? [0, gid] : [0] }
    // The link, which may be a stranger's, and the directory it leads to.
    for (const stat of [lstatSync(directory), statSync(directory)])
      requireTrusted(directory, stat, `${directory}/.`, trusted)
    return names.map((name) => () => {
      const path = join(directory, name)
      return readTomlFile(path, (stat, fd) => requireTrusted(path, stat, fd, trusted))
    })
  } catch (cause) {
    if (cause instanceof KataError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' && !isThere(directory)) return []
    if (code === 'ENOENT') requireLinkLeads(directory)
    throw new KataError('CONFIG_UNREADABLE', { path: directory, reason: String(code) }, { cause })
  }
}

/** The mode of a link says nothing. `file` is the one that is no link. @throws KataError CONFIG_UNSAFE */
function requireTrusted(
  path: string,
  stat: Stats,
  file: string | number,
  { mainFile, owners, groups }: Trusted,
): void {
  const refuse = (reason: string) => new KataError('CONFIG_UNSAFE', { path, mainFile, reason })
  if (!owners.includes(stat.uid)) throw refuse(`it belongs to user ${stat.uid}`)
  if (stat.isSymbolicLink()) return
  if ((stat.mode & 0o002) !== 0) throw refuse('everybody may write to it')
  if ((stat.mode & 0o020) === 0) return
  if (hasAcl(file)) throw refuse('its access list lets others write to it')
  if (!groups.includes(stat.gid)) throw refuse(`group ${stat.gid} may write to it`)
}
