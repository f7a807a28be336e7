/** Lines of the account databases that are ours, and the names that are others'. */
import { readdirSync, readFileSync } from 'node:fs'
import { isOurUser } from './ours.ts'

const files = ['passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid'] as const
/** A name is in both of a pair, or in none. */
const twins: Readonly<Record<string, string>> = {
  passwd: 'shadow',
  shadow: 'passwd',
  group: 'gshadow',
  gshadow: 'group',
}

export interface Accounts {
  /** `/etc/<file>: <line>` of every line that has a user or an id of ours in it, as a member of a group for instance. */
  readonly ours: readonly string[]
  /** `<file>:<name>` of the others. */
  readonly others: readonly string[]
}

/** Read when nobody is in the middle of a change, which takes several files. */
export function readAccounts(): Accounts {
  for (let tries = 0; tries < 200 && locks().some(({ isHeld }) => isHeld); tries++) Bun.sleepSync(10)
  const all = files.flatMap((file) => lines(`/etc/${file}`).map((line) => ({ file, line })))
  const isOurs = ({ line }: { line: string }) => line.split(/[:,]/).some(isOurUser)
  return {
    ours: all.filter(isOurs).map(({ file, line }) => `/etc/${file}: ${line}`),
    others: all.filter((entry) => !isOurs(entry)).map(({ file, line }) => `${file}:${line.split(':')[0]}`),
  }
}

/**
 * Names of others that are no longer in a file but still in its twin: a change of ours that lost one of somebody else's.
 * One that is gone from both was removed by its owner.
 */
export function tornAccounts(before: readonly string[], now: readonly string[]): string[] {
  const stays = new Set(now)
  return before.filter((entry) => {
    const [file = '', name] = entry.split(':')
    const twin = `${twins[file]}:${name}`
    return !stays.has(entry) && stays.has(twin) && before.includes(twin)
  })
}

/** Locks of the account files (lckpwdf(3), and shadow's own) that a dead process left. */
export const staleLocks = (): string[] =>
  locks()
    .filter(({ isHeld }) => !isHeld)
    .map(({ name }) => name)

/** `passwd.lock` is a link to `passwd.<pid>`, whose content is the pid. */
function locks(): { readonly name: string; readonly isHeld: boolean }[] {
  return readdirSync('/etc')
    .filter((name) => /^(passwd|group|shadow|gshadow|subuid|subgid)\.(lock|\d+)$/.test(name))
    .flatMap((name) => {
      const [holder] = lines(`/etc/${name}`)
      if (holder === undefined) return []
      if (isRunning(Number.parseInt(holder, 10))) return [{ name, isHeld: true }]
      // It may have been given back before its holder ended, and taken again by now.
      const [now] = lines(`/etc/${name}`)
      return now === undefined ? [] : [{ name, isHeld: now !== holder }]
    })
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** None where there is no such file, or no longer. */
function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}
