/** The directories that kata-ts makes for itself, with everything in them. */
import { existsSync, lstatSync, readdirSync, realpathSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { defaultStateDir } from '../../src/cli/settings.ts'
import { defaultCacheDir } from '../../src/guest-image/guest-image.ts'
import { removeTree } from '../../src/linux/files/remove-tree.ts'
import { mountPoints } from '../../src/linux/mounts/mount.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { recordName } from '../packages/installed-packages.ts'
import type { Part } from './part.ts'

const directories: Readonly<Record<string, string>> = {
  [defaultRunDir]: 'run-time state',
  [defaultCacheDir]: 'guest images and machine templates',
  [defaultStateDir]: 'container records, unpacked images',
  '/var/lib/cni/networks/kata-ts': 'addresses of pods',
}

/** Below the state directory: files that a person put into volumes by name. */
const volumesName = 'volumes'

/** What is there of them below `root` (the host's is empty). Volumes are a part of their own, unless they go too. */
export function ownDirectories(root: string, { volumes }: { readonly volumes: boolean }): Part[] {
  const store = `${defaultStateDir}/${volumesName}`
  const names = volumes ? [] : volumeNames(root + store)
  const kept: Part[] =
    names.length === 0
      ? []
      : [
          {
            what: `${store} (volumes: ${names.join(', ')})`,
            kept: 'add --volumes to remove these files, too',
          },
        ]
  const stays = names.length === 0 ? [recordName] : [recordName, volumesName]
  const own = Object.entries(directories)
    .filter(([path]) => hasOurs(root + path, stays))
    .map(([path, what]) => ({ what: `${path} (${what})`, remove: () => clear(root + path, stays) }))
  return [...own, ...kept]
}

/** `NAMESPACE/NAME`. */
function volumeNames(store: string): string[] {
  if (!existsSync(store)) return []
  return readdirSync(store).flatMap((namespace) =>
    readdirSync(join(store, namespace))
      .filter((name) => !name.startsWith('.'))
      .map((name) => `${namespace}/${name}`),
  )
}

function hasOurs(directory: string, stays: readonly string[]): boolean {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return false
  const names = readdirSync(directory)
  if (names.length === 0) return !isPlaced(directory)
  return names.some((name) => !stays.includes(name))
}

/** Whether somebody mounted it there, or made it a link to another disk: it is not ours then, what is in it is. */
const isPlaced = (directory: string): boolean =>
  lstatSync(directory).isSymbolicLink() || mountPoints().includes(realpathSync(directory))

/**
 * Removes a directory up to the names that stay. The record of installed packages goes when the last of them does.
 *
 * @throws Error when something is mounted below it: removing would reach files that are not ours.
 */
async function clear(directory: string, stays: readonly string[]): Promise<void> {
  // It may have gone with what was in it: by gc, or with the last package.
  if (!existsSync(directory)) return
  const real = realpathSync(directory)
  const mounted = mountPoints().filter((point) => point.startsWith(`${real}/`))
  if (mounted.length > 0) throw new Error(`${mounted.join(', ')} is mounted: unmount it first`)
  for (const name of readdirSync(directory)) {
    if (stays.includes(name)) continue
    const path = join(directory, name)
    if (lstatSync(path).isDirectory()) await removeTree(path)
    else rmSync(path)
  }
  if (readdirSync(directory).length === 0 && !isPlaced(directory)) rmdirSync(directory)
}
