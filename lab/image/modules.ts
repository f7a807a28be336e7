/**
 * VFIO modules with IOMMUFD for the lab host: no kernel of Debian has CONFIG_IOMMUFD, so they are compiled from the source
 * package of the very kernel that is installed. The rest of the kernel stays Debian's.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool } from '../../src/guest-image/child.ts'
import { paths } from '../paths.ts'
import { kernelVersion } from './root.ts'

const limitMs = 60 * 60_000
const recipe = join(import.meta.dir, '../modules')

/**
 * Compiles them in a layer above the root directory, which stays as it was. The mounts end with the namespace that they
 * are made in.
 *
 * @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL.
 */
export async function buildModules(): Promise<void> {
  const layer = `${paths.modules}.layer`
  const made = join(layer, 'upper/modules')
  for (const path of [layer, paths.modules]) rmSync(path, { recursive: true, force: true })
  for (const name of ['upper', 'work', 'whole']) mkdirSync(join(layer, name), { recursive: true })
  cpSync(join(recipe, 'tree'), join(layer, 'upper/tree'), { recursive: true })
  const script = `set -eu
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/whole"
cp -L /etc/resolv.conf "$2/whole/etc/resolv.conf" || true
exec chroot "$2/whole" sh -s "$4" <"$3/compile.sh"`
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'] as const
  try {
    await mustRunTool([...argv, paths.root, layer, recipe, kernelVersion()], layer, {
      env: process.env,
      timeout: limitMs,
    })
    cpSync(made, paths.modules, { recursive: true })
  } finally {
    rmSync(layer, { recursive: true, force: true })
  }
}

/** Puts them where modprobe prefers them to the kernel's own. */
export async function installModules(): Promise<void> {
  const updates = join(paths.root, 'lib/modules', kernelVersion(), 'updates')
  rmSync(updates, { recursive: true, force: true })
  cpSync(paths.modules, updates, { recursive: true })
  await mustRunTool(['chroot', paths.root, 'depmod', kernelVersion()], paths.root, {
    env: process.env,
    timeout: limitMs,
  })
}
