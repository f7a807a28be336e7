/** A directory as `ls -l` shows it. */
import { lstatSync, readdirSync } from 'node:fs'
import { nameOf } from './accounts.ts'

/** Mode, owner with group, and name of each entry; the directory itself first. */
export async function listDirectory(directory: string): Promise<string[][]> {
  const entries = ['.', ...readdirSync(directory).sort()]
  return Promise.all(
    entries.map(async (entry) => {
      const { mode, uid, gid } = lstatSync(`${directory}/${entry}`)
      const owner = `${await nameOf('passwd', uid)}:${await nameOf('group', gid)}`
      return [modeText(mode), owner, entry === '.' ? directory : entry]
    }),
  )
}

/** As ls(1) writes it; set-id and sticky bits are not among what the runtime makes. */
export function modeText(mode: number): string {
  const type = fileTypes.get(mode & 0o170000) ?? '?'
  const letters = [...'rwxrwxrwx'].map((letter, i) => (mode & (0o400 >> i) ? letter : '-'))
  return `${type}${letters.join('')}`
}

/** inode(7). */
const fileTypes = new Map([
  [0o140000, 's'],
  [0o040000, 'd'],
  [0o100000, '-'],
  [0o120000, 'l'],
  [0o010000, 'p'],
])
