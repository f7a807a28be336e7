/** The account of a lease, in one of three modes: really in /etc, as drop-ins of userdb, or numbers only. */
import type { AccountMode } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { addUser, deleteUser } from './account-useradd.ts'
import { addRecords, removeRecords } from './account-userdb.ts'
import type { Lease } from './lease.ts'
import { readOwner } from './reservation.ts'

/** The ledger's data of an account. */
export interface AccountData {
  readonly mode: AccountMode
  readonly name: string
  readonly uid: number
  /** Directory of userdb drop-ins. */
  readonly userdbDir: string
  /** The lease it belongs to: only while that is ours, the account is. */
  readonly runDir: string
  readonly k: number
  readonly sandbox: string
  /** Which taking of it; absent in ledgers of earlier versions. */
  readonly token?: string
}

/** Where systemd looks for drop-in records that live until the next boot. */
export const defaultUserdbDir = '/run/userdb'

/** Removes an account that we made, found by name, id and comment together; nothing else is ever removed. */
export const accountResource: ResourceKind<AccountData> = {
  kind: 'account',
  release: async ({ mode, name, uid, userdbDir, runDir, k, sandbox, token }) => {
    const owner = readOwner(runDir, k)
    if (owner?.sandbox !== sandbox || owner.token !== (token ?? owner.token)) return
    if (mode === 'useradd') await deleteUser(name, uid)
    else if (mode === 'userdb') removeRecords(userdbDir, name, uid)
  },
}

/**
 * Makes the account of a lease.
 *
 * @throws KataError ACCOUNT_TAKEN (take another lease), ETC_READ_ONLY, ACCOUNT_TOOL_MISSING, ACCOUNT_FAILED.
 */
export async function createAccount(
  ledger: Ledger,
  lease: Lease,
  mode: AccountMode,
  options: { userdbDir?: string; signal?: AbortSignal } = {},
): Promise<void> {
  const { userdbDir = defaultUserdbDir, signal } = options
  const { name, uid, runDir, k, sandbox, token } = lease
  if (mode === 'none') return
  const data: AccountData = { mode, name, uid, userdbDir, runDir, k, sandbox, token }
  await ledger.take(accountResource, data, async (entry) => {
    try {
      if (mode === 'useradd') await addUser(name, uid, signal)
      else addRecords(userdbDir, name, uid)
    } catch (error) {
      // An account that existed before is not removed, even if it looks like one of ours.
      if (error instanceof KataError && error.code === 'ACCOUNT_TAKEN') entry.amend({ ...data, mode: 'none' })
      throw error
    }
  })
}
