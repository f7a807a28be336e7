/** `-u USER[:GROUP]`: numbers, or names looked up in the container's own /etc/passwd and /etc/group. */
import { KataError } from '../../errors.ts'

export interface ContainerUser {
  readonly uid: number
  readonly gid: number
  /** With `gid`: a program that changes its group keeps it, and so do rules that withhold a file from a group (CVE-2022-36109). */
  readonly additionalGids: readonly number[]
}

/** Text of the container's account files, undefined when it has none. */
export interface AccountFiles {
  readonly passwd?: string | undefined
  readonly group?: string | undefined
}

/**
 * The user that `text` names. As in docker: a name must exist, a number need not and is never a name; without a group the
 * user's own group is taken (0 for a number that passwd does not know), with its supplementary groups.
 *
 * @throws KataError USER_UNKNOWN.
 */
export function resolveUser(text: string, files: AccountFiles): ContainerUser {
  const [userText = '', groupText = ''] = text.split(':', 2)
  const account = lineOf(userText, files.passwd)
  const uid = account === undefined ? idOf(userText) : idOf(account[2])
  if (uid === undefined) throw new KataError('USER_UNKNOWN', { user: text, file: '/etc/passwd' })
  if (groupText === '') return { uid, ...groupsOf(account, files) }
  const gid = resolveGroup(groupText, text, files)
  return { uid, gid, additionalGids: [gid] }
}

/** The user of a container for whom nobody asked for another one. As in docker, with the groups that the image gives him. */
export function resolveRoot(files: AccountFiles): ContainerUser {
  return {
    uid: 0,
    ...groupsOf(
      lines(files.passwd).find(([, , uid]) => uid === '0'),
      files,
    ),
  }
}

function groupsOf(account: readonly string[] | undefined, files: AccountFiles) {
  const gid = idOf(account?.[3]) ?? 0
  const others = lines(files.group)
    .filter(([, , , members]) => account !== undefined && members?.split(',').includes(account[0]!))
    .map(([, , id]) => idOf(id))
    .filter((id) => id !== undefined)
  return { gid, additionalGids: [...new Set([gid, ...others])] }
}

/** The number of a group, by its name or number. `whole` is for messages. @throws KataError USER_UNKNOWN. */
export function resolveGroup(groupText: string, whole: string, files: AccountFiles): number {
  const group = lineOf(groupText, files.group)
  const gid = group === undefined ? idOf(groupText) : idOf(group[2])
  if (gid === undefined) throw new KataError('USER_UNKNOWN', { user: whole, file: '/etc/group' })
  return gid
}

/** What could be a number to anybody, whatever its sign and size. */
const numeral = /^[+-]?\d+$/

/** The line of a user or group. An image chooses its names, and one of them may look like a number that its files give to root. */
function lineOf(asked: string, file: string | undefined): string[] | undefined {
  if (!numeral.test(asked)) return lines(file).find(([name]) => name === asked)
  const number = idOf(asked)
  return number === undefined ? undefined : lines(file).find(([, , id]) => idOf(id) === number)
}

function lines(text = ''): string[][] {
  return text.split('\n').map((line) => line.split(':'))
}

/** A 32-bit id; the last value means "unchanged" to the kernel and is refused. */
function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id < 0xffff_ffff ? id : undefined
}
