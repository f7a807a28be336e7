/** A directory of root's that belongs to one sandbox with all that is in it. */
import type { ResourceKind } from '../../ledger/ledger.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { unmountBelow } from '../../linux/mounts/mount.ts'

export const treeResource: ResourceKind<{ path: string }> = {
  kind: 'tree',
  release: async ({ path }) => {
    unmountBelow(path)
    await removeTree(path)
  },
}
