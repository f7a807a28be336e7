/** A directory of root's that belongs to one sandbox with all that is in it. */
import type { ResourceKind } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mount.ts'
import { removeTree } from '../linux/remove-tree.ts'

export const treeResource: ResourceKind<{ path: string }> = {
  kind: 'tree',
  release: async ({ path }) => {
    unmountBelow(path)
    await removeTree(path)
  },
}
