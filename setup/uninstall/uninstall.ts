/** Takes kata-ts off a host: finds what is there, says so, removes it, and says what is left. */

import { existsSync } from 'node:fs'
import { defaultStateDir } from '../../src/cli/settings.ts'
import { describeError } from '../../src/errors.ts'
import type { ToolContext } from '../../src/guest-image/child.ts'
import { bundleRoot } from '../../src/own-bundle.ts'
import { recordName } from '../packages/installed-packages.ts'
import { presentPackages } from '../packages/system-packages.ts'
import { wrap } from '../pages/text.ts'
import { SetupError } from '../setup-error.ts'
import { bridge } from './bridge.ts'
import { ownDirectories } from './directories.ts'
import { installedFiles } from './files.ts'
import { mentions } from './mentions.ts'
import { ownPackages } from './packages.ts'
import type { Part } from './part.ts'
import type { Sandboxes } from './sandboxes.ts'

export interface Host {
  /** Stands before every path; empty for the host itself. */
  readonly root: string
  readonly tools: ToolContext
  readonly sandboxes: Sandboxes
  readonly print: (text: string) => void
}

export interface UninstallOptions {
  /** Says what would be done and does nothing. */
  readonly dryRun: boolean
  readonly keepPackages: boolean
  /** Removes named volumes, which hold a person's files. */
  readonly volumes: boolean
}

/** Whether nothing is left. @throws SetupError before anything was removed. */
export async function uninstall(host: Host, options: UninstallOptions): Promise<boolean> {
  const live = await host.sandboxes.live()
  if (live.length > 0)
    throw new SetupError(
      `sandboxes are there: ${live.join(', ')}; nothing was removed`,
      'remove their containers first, with the program that started them (kata-ts --namespace NAMESPACE rm -f NAME, ctr, kubectl, docker)',
    )
  if ((await presentPackages(['kata-ts'], host.tools)).size > 0)
    throw new SetupError(
      'the Debian package kata-ts is installed, whose files are dpkg’s to remove; nothing was removed',
      'apt-get purge kata-ts; then run it again for the rest',
    )
  if (existsSync(`${host.root}${bundleRoot}/bin/kata-ts`))
    throw new SetupError(
      `the bundle is installed in ${bundleRoot}; nothing was removed`,
      `rm -rf ${bundleRoot}; then run it again for the rest`,
    )
  const parts = await findParts(host, options)
  announce(host, parts, options)
  if (options.dryRun) return true
  if (parts.length > 0) await releaseSandboxes(host)
  const left = await removeAll(parts)
  for (const { what, reason } of left) host.print(`left: ${what}: ${reason}\n`)
  const kept = parts.filter((part) => 'kept' in part)
  for (const part of kept) host.print(`kept: ${part.what}: ${part.kept}\n`)
  if (left.length === 0 && parts.length > kept.length)
    host.print(kept.length > 0 ? 'all the rest is gone\n' : 'all of it is gone\n')
  return left.length === 0
}

/** In the order of removal: packages before the directory with the record of them, `ip` before packages. */
async function findParts(
  { root, tools }: Host,
  { keepPackages, volumes }: UninstallOptions,
): Promise<readonly Part[]> {
  const record = `${root}${defaultStateDir}/${recordName}`
  const packages = keepPackages ? [] : await ownPackages(root, record, tools)
  const files = installedFiles(root)
  const others = mentions(root).filter(({ what }) => !files.some((file) => file.what === what))
  return [...bridge(root, tools), ...packages, ...files, ...others, ...ownDirectories(root, { volumes })]
}

function announce({ print }: Host, parts: readonly Part[], { dryRun, keepPackages }: UninstallOptions): void {
  const going = parts.filter((part) => 'remove' in part)
  if (going.length > 0) print(dryRun ? 'would remove:\n' : 'removes:\n')
  for (const { what } of going) print(`  ${wrap(what, 100).join('\n    ')}\n`)
  const staying = parts.filter((part) => 'stays' in part)
  if (dryRun) for (const { what, stays } of staying) print(`would leave: ${what}: ${stays}\n`)
  if (dryRun) for (const part of parts) if ('kept' in part) print(`would keep: ${part.what}: ${part.kept}\n`)
  if (parts.length === 0) print('nothing of kata-ts is installed on this machine\n')
  if (keepPackages) print('Debian packages stay, as asked\n')
  print('this checkout stays as it is, build/ and node_modules/ included: remove its directory\n')
}

async function releaseSandboxes({ sandboxes, print }: Host): Promise<void> {
  const released = await sandboxes.release()
  if (!released.startsWith('nothing')) print(released)
}

async function removeAll(parts: readonly Part[]): Promise<{ what: string; reason: string }[]> {
  const left: { what: string; reason: string }[] = []
  for (const part of parts) {
    if ('stays' in part) left.push({ what: part.what, reason: part.stays })
    else if ('remove' in part) {
      try {
        await part.remove()
      } catch (error) {
        left.push({ what: part.what, reason: describeError(error) })
      }
    }
  }
  return left
}
