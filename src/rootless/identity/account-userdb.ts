/**
 * Accounts as drop-in records (https://systemd.io/USER_RECORD, nss-systemd(8)): nothing is written to /etc, and a
 * reboot removes them. Names resolve where nsswitch.conf lists `systemd`; ids work everywhere.
 */
import {
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { KataError } from '../../errors.ts'
import { record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text, uint32 } from '../../json/values.ts'
import { accountComment } from './uid-range.ts'

/** @throws KataError ACCOUNT_TAKEN when a record of that name or id exists. */
export function addRecords(directory: string, name: string, uid: number): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const present = [`${name}.user`, `${name}.group`, `${uid}.user`, `${uid}.group`].some(
    (file) => lstatSync(`${directory}/${file}`, { throwIfNoEntry: false }) !== undefined,
  )
  if (present) throw new KataError('ACCOUNT_TAKEN', { name, uid })
  const user = {
    userName: name,
    realName: accountComment,
    uid,
    gid: uid,
    disposition: 'dynamic',
    locked: true,
    shell: '/usr/sbin/nologin',
    homeDirectory: '/nonexistent',
  }
  place(directory, `${name}.group`, { groupName: name, gid: uid, disposition: 'dynamic' })
  symlinkSync(`${name}.group`, `${directory}/${uid}.group`)
  place(directory, `${name}.user`, user)
  symlinkSync(`${name}.user`, `${directory}/${uid}.user`)
}

/** Removes the records of exactly that account, also half-made ones; other people's records stay. */
export function removeRecords(directory: string, name: string, uid: number): void {
  for (const kind of ['user', 'group'] as const) {
    if (linkTarget(`${directory}/${uid}.${kind}`) === `${name}.${kind}`)
      unlinkSync(`${directory}/${uid}.${kind}`)
    const record = readRecord(`${directory}/${name}.${kind}`)
    const ours =
      kind === 'user' ? record?.uid === uid && record.realName === accountComment : record?.gid === uid
    if (ours) unlinkSync(`${directory}/${name}.${kind}`)
    rmSync(draftOf(directory, `${name}.${kind}`), { force: true })
  }
}

const draftOf = (directory: string, file: string): string => `${directory}/.${file}.new`

/** Readers never see half a record. */
function place(directory: string, file: string, record: object): void {
  const draft = draftOf(directory, file)
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o644 })
  renameSync(draft, `${directory}/${file}`)
}

function linkTarget(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined
}

/** What of a record says whose it is. */
interface OwnMark {
  readonly uid?: number
  readonly gid?: number
  readonly realName?: string
}

const ownMark = record<OwnMark>({ uid: uint32, gid: uint32, realName: text })

/** Undefined for none, and for one that is not of the form that we write. */
function readRecord(path: string): OwnMark | undefined {
  try {
    return readFile(ownMark, path)
  } catch {
    return undefined
  }
}
