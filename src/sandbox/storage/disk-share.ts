/**
 * The pod's files without a shared file system: root file systems are disks, files and directories that are only
 * read are copied, and a pod's own scratch directories are made in the guest.
 */
import { closeSync, mkdirSync, rmSync, statSync } from 'node:fs'
import type { AgentClient } from '../../agent/client.ts'
import { findDiskAt } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Logger } from '../../log.ts'
import { podUidOf } from '../../oci/annotations.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { bindEntryName } from '../../sharing/binds.ts'
import { kataGuestSharedDir } from '../../sharing/host-share.ts'
import { makeRootfsDisk, rootfsName } from '../../sharing/rootfs/rootfs-disk.ts'
import type { BindRequest, GuestRootfs, RootfsMount, Share } from '../../sharing/share.ts'
import { openSource } from '../../sharing/source.ts'
import { freshExt4 } from '../disks/fresh-ext4.ts'
import { guestStorage, placeOf } from '../disks/guest-disk.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { type KeptCopy, keepCopy, requireSmall } from './copied-files.ts'
import { volumeUses } from './disk-uses.ts'
import type { Disks } from './disks.ts'
import { bindRequest, sharedMounts } from './mounts.ts'
import { treeResource } from './tree.ts'
import { isInApiVolume } from './watched-volume.ts'

export interface DiskShareParts {
  readonly ledger: Ledger
  readonly paths: SandboxPaths
  readonly disks: Disks
  readonly agent: AgentClient
  readonly log: Logger
}

/** In place of a container's id, as none is: the agent removes with a container what has its id. */
const scratchOwner = '.scratch'

/**
 * Refuses what the guest cannot get of a sandbox's first container, before anything is made.
 *
 * @throws KataError SHARE_SOURCE_MISSING, SHARE_NOT_COPIED, SHARE_COPY_TOO_LARGE, DIRECT_VOLUME_INVALID,
 *   DIRECT_VOLUME_SUBPATH.
 */
export function requireCopyable({ spec, id }: { spec: OciSpec; id: string }): void {
  const onDisks = new Set(volumeUses(spec).map(({ mount }) => mount))
  for (const mount of sharedMounts(spec, id)) {
    if (onDisks.has(mount)) continue
    const { source = '' } = mount
    if (howToCarry(bindRequest(mount, podUidOf(spec)), id) === 'copy') requireSmall({ source, container: id })
  }
}

/** Makes the directory of the sandbox's disks and puts the share together. */
export async function createDiskShare(parts: DiskShareParts): Promise<Share> {
  const { ledger, paths } = parts
  await ledger.take(treeResource, { path: paths.diskDir }, () =>
    mkdirSync(paths.diskDir, { recursive: true, mode: 0o700 }),
  )
  return new DiskShare(parts)
}

class DiskShare implements Share {
  readonly idMap = undefined
  readonly copiesFiles = true
  readonly addWatched = undefined
  readonly streamBuffer = undefined
  /** No daemon serves it, so none can exit. */
  readonly exited = new Promise<never>(() => {})
  readonly #parts: DiskShareParts
  readonly #copies = new Map<string, KeptCopy[]>()
  /** Scratch directories of the pod, by their sources. Two containers may ask at once. */
  readonly #scratch = new Map<string, Promise<string>>()

  constructor(parts: DiskShareParts) {
    this.#parts = parts
  }

  async addRootfs(container: string, mounts: readonly RootfsMount[]): Promise<GuestRootfs> {
    const { ledger, paths, disks } = this.#parts
    // Not among the copies: in their directory the agent leaves mount points where they are.
    const mountPoint = `${guestStorage}/${container}/rootfs`
    const image = this.#image(container)
    await makeRootfsDisk(ledger, { container, mounts, stateDir: paths.stateDir, image })
    using disk = findDiskAt(image, { kind: 'file' }, container)
    const use = { readonly: false, direct: false, isScratch: true }
    const { address } = await disks.attach(container, disk, use)
    const { driver } = address
    const storage = {
      driver,
      source: placeOf(address),
      fstype: 'ext4',
      options: [...freshExt4],
      mountPoint,
    }
    return { path: `${mountPoint}/${rootfsName}`, storages: [storage] }
  }

  async addBind(containerId: string, bind: BindRequest): Promise<string> {
    const { source, destination } = bind
    // Root would read the files to copy them.
    if (bind.caller !== undefined) throw new KataError('SHARE_CALLER', { source, container: containerId })
    if (howToCarry(bind, containerId) === 'scratch') return this.#requireScratch(source)
    const target = `${kataGuestSharedDir}/${bindEntryName(containerId, destination)}`
    const { agent, log } = this.#parts
    const copy = await keepCopy(agent, { source, target, container: containerId }, (error) =>
      log.warn('a changed volume was not copied', { source, error }),
    )
    this.#copies.set(containerId, [...(this.#copies.get(containerId) ?? []), copy])
    return target
  }

  async removeContainer(containerId: string): Promise<void> {
    for (const copy of this.#copies.get(containerId) ?? []) copy.stop()
    this.#copies.delete(containerId)
    rmSync(this.#image(containerId), { force: true })
  }

  /** The same directory in the guest for every container of the pod that asks for it. */
  #requireScratch(source: string): Promise<string> {
    const known = this.#scratch.get(source)
    if (known !== undefined) return known
    const made = this.#makeScratch(source)
    this.#scratch.set(source, made)
    made.catch(() => this.#scratch.delete(source))
    return made
  }

  async #makeScratch(source: string): Promise<string> {
    const path = `${kataGuestSharedDir}/${bindEntryName(scratchOwner, source)}`
    const { mode: fileMode, uid, gid } = statSync(source)
    await this.#parts.agent.copyFile({ path, fileMode, dirMode: 0o755, uid, gid, fileSize: 0n, offset: 0n })
    return path
  }

  #image(containerId: string): string {
    return `${this.#parts.paths.diskDir}/${containerId}.ext4`
  }
}

function howToCarry(
  { source, readonly, isScratch = false }: Pick<BindRequest, 'source' | 'readonly' | 'isScratch'>,
  container: string,
): 'copy' | 'scratch' {
  const { fd, kind } = openSource(source, container)
  closeSync(fd)
  if (kind === 'directory' && isScratch) return 'scratch'
  if (kind === 'file' || readonly || isInApiVolume(source)) return 'copy'
  throw new KataError('SHARE_NOT_COPIED', { source, container })
}
