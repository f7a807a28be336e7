/** Every sort of holding that this room writes into a ledger. */
import { accountResource } from './identity/account.ts'
import { leaseResource } from './identity/lease.ts'
import { privateDirResource } from './identity/private-dir.ts'

export const rootlessKinds = [leaseResource, accountResource, privateDirResource] as const
