/** Every sort of holding that this room writes into a ledger. */
import { accountResource } from './account.ts'
import { leaseResource } from './lease.ts'
import { privateDirResource } from './private-dir.ts'

export const rootlessKinds = [leaseResource, accountResource, privateDirResource] as const
