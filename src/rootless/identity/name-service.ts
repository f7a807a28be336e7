/**
 * Users and groups that no file of /etc has: those of a directory (SSSD, winbind, LDAP). Such a service gives numbers of any size, and by
 * default some of them lie in our range.
 */
import { KataError } from '../../errors.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { findTool } from '../../linux/processes/which.ts'
import { readLines } from './uid-range.ts'

/** Services of nsswitch.conf(5) whose ids are in the files that are read anyway, or have a range of their own. */
const local: ReadonlySet<string> = new Set(['files', 'compat', 'systemd'])
/** How long a service may take to answer, milliseconds. One that is out of reach keeps nothing from starting. */
const answerMs = 2000

/**
 * Asks whether a number is taken, if a name service is configured.
 *
 * @throws KataError ACCOUNT_TAKEN.
 */
export async function requireFree(name: string, id: number, etc = '/etc'): Promise<void> {
  const getent = asksOthers(readLines(`${etc}/nsswitch.conf`)) ? findTool('getent') : undefined
  if (getent === undefined) return
  const answers = await Promise.all(
    ['passwd', 'group'].map((database) => runTool([getent, database, `${id}`], { timeoutMs: answerMs })),
  )
  if (answers.some(({ code }) => code === 0)) throw new KataError('ACCOUNT_TAKEN', { name, uid: id })
}

function asksOthers(lines: readonly string[]): boolean {
  return lines.some((line) => {
    const [, services = ''] = /^\s*(?:passwd|group)\s*:([^#]*)/.exec(line) ?? []
    // What stands in brackets says what to do with an answer.
    const words = services.replace(/\[[^\]]*\]/g, ' ').split(/\s+/)
    return words.some((word) => word !== '' && !local.has(word))
  })
}
