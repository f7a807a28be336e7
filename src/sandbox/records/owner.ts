/** Which process a sandbox belongs to: the first line of its ledger, so that no teardown touches a live sandbox. */
import type { ResourceKind } from '../../ledger/ledger.ts'
import type { ProcessRef } from '../../linux/processes/proc.ts'

/** Releasing the owner releases nothing: it is the shim itself, which ends after its sandbox. */
export const ownerResource: ResourceKind<ProcessRef> = { kind: 'owner', release: () => {} }
