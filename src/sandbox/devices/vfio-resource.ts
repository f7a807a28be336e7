/** A device of the host that a machine has, as the ledger knows it. */
import type { ResourceKind } from '../../ledger/ledger.ts'

/**
 * A device that the VMM has. There is nothing to undo on the host: it stays bound to VFIO as the operator bound it, and the
 * descriptor goes with the VMM, which the ledger ends.
 */
export const vfioResource: ResourceKind<{ id: string; name: string }> = { kind: 'vfio', release: () => {} }
