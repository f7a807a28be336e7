/** Which files a guest was made of. An upgrade of the package puts others in their place, under the same names. */
import { statSync } from 'node:fs'
import type { GuestAssets } from '../../../vmm/host/assets.ts'

/** What tells kernel and initrd from others under their names, for as long as a machine runs. A file that is gone is another, too. */
export type AssetFiles = readonly string[]

export function assetFiles({ kernel, initrd = '' }: Pick<GuestAssets, 'kernel' | 'initrd'>): AssetFiles {
  return [kernel, initrd].map((path) => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? '' : [stat.dev, stat.ino, stat.size, stat.mtimeNs].join(':')
  })
}
