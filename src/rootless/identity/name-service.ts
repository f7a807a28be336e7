/**
 * Users and groups that are in no file of /etc, but in a directory (SSSD, winbind, LDAP). A directory assigns ids of any size, and some
 * defaults lie in our range.
 */
import { KataError } from '../../errors.ts'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { findTool } from '../../linux/processes/which.ts'
import { readLines } from './uid-range.ts'

/** Services of nsswitch.conf(5) whose ids are in the files that are read anyway, or have a range of their own. */
const local: ReadonlySet<string> = new Set(['files', 'compat', 'systemd'])
/** How long a service may take to answer, milliseconds. A service that cannot be reached does not prevent a start. */
const answerMs = 2000

export interface NameServiceOptions {
  /** Where nsswitch.conf is. */
  readonly etc?: string
  /** The program that asks; default the host's getent. */
  readonly getent?: string
}

/** Checks that the directory has assigned none of `ids`, see {@link assignedId}. @throws KataError ACCOUNT_TAKEN with `name` and the id. */
export async function requireFree(
  name: string,
  ids: readonly number[],
  options: NameServiceOptions = {},
): Promise<void> {
  const uid = await assignedId(ids, options)
  if (uid !== undefined) throw new KataError('ACCOUNT_TAKEN', { name, uid })
}

/**
 * The first of `ids` that the directory, if nsswitch.conf names one, has assigned. If it does not answer, only an id with which a process runs
 * counts as assigned.
 */
export async function assignedId(
  ids: readonly number[],
  { etc = '/etc', getent }: NameServiceOptions = {},
): Promise<number | undefined> {
  if (!asksOthers(readLines(`${etc}/nsswitch.conf`))) return undefined
  const program = getent ?? findTool('getent')
  if (program === undefined) return undefined
  const questions = ids.flatMap((uid) => ['passwd', 'group'].map((database) => ({ uid, database })))
  const answers = await Promise.all(
    questions.map(async ({ uid, database }) => {
      const { code } = await runTool([program, database, `${uid}`], { timeoutMs: answerMs })
      return { uid, isTaken: code === 0 || (code === null && processesOfUid(uid).length > 0) }
    }),
  )
  return answers.find(({ isTaken }) => isTaken)?.uid
}

function asksOthers(lines: readonly string[]): boolean {
  return lines.some((line) => {
    const [, services = ''] = /^\s*(?:passwd|group)\s*:([^#]*)/.exec(line) ?? []
    // What stands in brackets says what to do with an answer.
    const words = services.replace(/\[[^\]]*\]/g, ' ').split(/\s+/)
    return words.some((word) => word !== '' && !local.has(word))
  })
}
