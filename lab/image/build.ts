/** Builds the lab host from Debian's packages, unless it is built already. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../setup/paths.ts'
import { hashFiles, isFresh, stamped } from '../../setup/stamp.ts'
import { lockFile } from '../../src/guest-image/lock.ts'
import type { Progress } from '../../src/guest-image/progress.ts'
import { stopLab } from '../machine/host.ts'
import { labDir, paths } from '../paths.ts'
import { buildDisk, diskFiles } from './disk.ts'
import { buildModules, installModules } from './modules.ts'
import { labHostPackages } from './packages.ts'
import { buildRoot, removeRoot } from './root.ts'

/** What the disk depends on, beside its packages. Newer ones of Debian's come with `npm run lab -- remove` and a new build. */
const recipe = [
  'modules',
  ...['root.ts', 'files.ts', 'modules.ts', 'disk.ts'].map((name) => `image/${name}`),
].map((name) => `lab/${name}`)

/**
 * Builds what is missing; false when nothing was. One at a time on this machine.
 *
 * @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL; SetupError.
 */
export async function buildLab(progress: Progress): Promise<boolean> {
  mkdirSync(labDir, { recursive: true, mode: 0o700 })
  using _lock = await lockFile(paths.lock)
  const stamp = join(paths.stamps, 'disk')
  const hash = `${hashFiles(root, recipe)} ${labHostPackages.join(' ')}`
  if (isFresh(stamp, hash, diskFiles)) return false
  await stopLab()
  await stamped(stamp, hash, async () => {
    progress.begin('lab host: Debian packages (about a minute)')
    await buildRoot()
    progress.begin('lab host: VFIO modules with IOMMUFD, which no kernel of Debian has (about a minute)')
    await buildModules()
    progress.begin('lab host: disk')
    await installModules()
    await buildDisk()
    removeRoot()
    progress.end()
  })
  return true
}
