/**
 * Files and directories of the host in the share. Containers of a pod that ask for the same source get the same entry. Each entry is a
 * file system of its own to the guest's kernel, and sockets, locks and file watches work only within one file system.
 */
import { closeSync, fstatSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { KataError } from '../errors.ts'
import { everyStep } from '../ledger/every-step.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { identityOf } from '../linux/files/file-identity.ts'
import { mountsBelow } from '../linux/mounts/mount.ts'
import { mountAttributes } from '../linux/mounts/mount-tree.ts'
import { callerIdmap } from './caller-idmap.ts'
import { type Idmap, isNotMappable, mappedBind } from './idmap.ts'
import { releaseOwner } from './resources.ts'
import type { BindRequest } from './share.ts'
import { makeDirectory, makeFile, mountAt } from './share-tree.ts'
import { openSource, type Source } from './source.ts'
import { showStill, stillOverlay } from './still-overlay.ts'

/** Longest part of a mount destination in an entry's name. */
const maxNameBytes = 64

export interface Binds {
  /**
   * Shows the source and returns the name of its entry.
   *
   * @throws KataError SHARE_SOURCE_MISSING, SHARE_SOURCE_KIND, SHARE_SOURCE_CHANGED, SHARE_FOLLOWS_READONLY, SHARE_NOT_IDMAPPABLE,
   * SHARE_CALLER, USER_NAMESPACE_REFUSED.
   */
  add(containerId: string, bind: BindRequest): Promise<string>
  /** Releases entries that only this container used. */
  leave(containerId: string): Promise<void>
}

interface Entry {
  readonly name: string
  readonly users: Set<string>
  readonly made: Promise<void>
}

/** The directory for the entries, and a directory of our own for auxiliary mounts. */
export interface BindPlace {
  readonly entries: string
  /** Absent in a share that shows nothing read-only. */
  readonly scratch?: string
}

/** Binds in `place`, mapped by `idmap` for an unprivileged daemon. Each entry owns itself in the ledger, because containers share it. */
export function createBinds(ledger: Ledger, place: BindPlace, idmap: Idmap | undefined): Binds {
  const entries = new Map<string, Entry>()

  const leave = async (key: string, entry: Entry, containerId: string) => {
    // A container leaves when it ends, and after each of its requests that fails.
    if (!entry.users.delete(containerId) || entry.users.size > 0) return
    // The entry goes even if its release fails: its mount may be gone, and the ledger keeps it until the pod ends.
    entries.delete(key)
    await releaseOwner(ledger, entry.name)
  }

  return {
    async add(containerId, asked) {
      const source = openSource(asked.source, containerId)
      try {
        requireSame(source, asked, containerId)
        const bind = idmap === undefined ? safeForRoot(asked, containerId) : asked
        const key = identity(source, bind)
        const known = entries.get(key)
        const name = known?.name ?? bindEntryName(containerId, bind.destination)
        const show = () => showEntry(ledger, source, bind, { name, container: containerId, place, idmap })
        const entry = known ?? { name, users: new Set(), made: show() }
        entries.set(key, entry)
        entry.users.add(containerId)
        try {
          await entry.made
        } catch (error) {
          await leave(key, entry, containerId)
          throw error
        }
        return name
      } finally {
        closeSync(source.fd)
      }
    },
    async leave(containerId) {
      const used = [...entries].filter(([, { users }]) => users.has(containerId))
      await everyStep(
        used.reverse().map(
          ([key, entry]) =>
            () =>
              leave(key, entry, containerId),
        ),
      )
    },
  }
}

interface EntryRequest {
  readonly name: string
  readonly container: string
  readonly place: BindPlace
  /** The map of the share. */
  readonly idmap: Idmap | undefined
}

/** Makes the entry, and mounts the source on it. */
async function showEntry(
  ledger: Ledger,
  { fd, kind }: Source,
  bind: BindRequest,
  { name, container, place, idmap }: EntryRequest,
): Promise<void> {
  const target = `${place.entries}/${name}`
  if (kind === 'directory') await makeDirectory(ledger, target, name)
  else await makeFile(ledger, target, name)
  const { source } = bind
  using callers = bind.caller && (await callerIdmap(idmap, bind.caller, { source, container }))
  const map = callers ?? idmap
  await mountAt(ledger, target, name, () =>
    mountSource(fd, bind, { target, container, map, idmap, scratch: place.scratch }),
  )
}

interface MountRequest {
  readonly target: string
  readonly container: string
  /** The map of this mount: the caller's, or else the share's. */
  readonly map: Idmap | undefined
  /** The map of the share. */
  readonly idmap: Idmap | undefined
  readonly scratch: string | undefined
}

/** Mounts the source on `target`. A still overlay that the kernel cannot idmap is replaced by an overlay of the same layers. */
function mountSource(fd: number, bind: BindRequest, request: MountRequest): void {
  const { source, readonly, recursive, follow = false } = bind
  const { target, container, map, idmap, scratch } = request
  const options = { recursive, attributes: readonly ? mountAttributes.ro : 0, follow }
  try {
    mappedBind(fd, target, map, { source, container }, options)
  } catch (error) {
    const still = isNotMappable(error) && isOnlyRead(bind) ? stillOverlay(fd) : undefined
    if (still === undefined || idmap === undefined || scratch === undefined) throw error
    showStill(still, { target, source, container, idmap, scratch })
  }
}

/** Whether a file system of the same content will do as well. */
export const isOnlyRead = ({ readonly, follow = false, caller }: BindRequest): boolean =>
  readonly && !follow && caller === undefined

/** Two requests share an entry when the path, the files that are there now (mounts below included) and the options are the same. */
function identity({ fd }: Source, { readonly, recursive, follow = false, caller }: BindRequest): string {
  const path = readlinkSync(`/proc/self/fd/${fd}`)
  const mounts = recursive ? mountsBelow(path).map(({ id }) => id) : []
  const ids = caller && [caller.uid, caller.gid, caller.guestUid, caller.guestGid]
  return JSON.stringify([path, identityOf(fd), mounts, readonly, recursive, follow, ids])
}

/**
 * Rejects a bind that is read-only and follows later mounts. A later mount keeps the host's own attributes, so it is writable even below a
 * read-only one. A daemon that is root could write everything there; an unprivileged daemon only what all users may.
 *
 * @throws KataError SHARE_FOLLOWS_READONLY.
 */
function safeForRoot(bind: BindRequest, container: string): BindRequest {
  const { source, readonly, follow = false, followIsOptional = false } = bind
  if (!readonly || !follow) return bind
  if (followIsOptional) return { ...bind, follow: false }
  throw new KataError('SHARE_FOLLOWS_READONLY', { source, container })
}

/** Requires that the source is still the file that the user could reach when he asked for it. @throws KataError SHARE_SOURCE_CHANGED. */
function requireSame({ fd }: Source, { source, caller }: BindRequest, container: string): void {
  if (caller === undefined) return
  const { dev, ino } = fstatSync(fd, { bigint: true })
  if (dev !== caller.device || ino !== caller.inode)
    throw new KataError('SHARE_SOURCE_CHANGED', { source, container })
}

/** `<cid>-<16 hex>-<basename>`, as in Kata. The basename is the last component of the destination, cleaned. */
export function bindEntryName(containerId: string, destination: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')
  const name = basename(destination)
    .replace(/[^A-Za-z0-9_.-]/g, '_')
    .slice(0, maxNameBytes)
  return `${containerId}-${random}-${name || 'mount'}`
}
