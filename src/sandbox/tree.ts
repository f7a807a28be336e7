/** A directory of root's that belongs to one sandbox with all that is in it. */
import { rmSync } from 'node:fs'
import type { ResourceKind } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mount.ts'

export const treeResource: ResourceKind<{ path: string }> = {
  kind: 'tree',
  release: ({ path }) => {
    unmountBelow(path)
    rmSync(path, { recursive: true, force: true })
  },
}
