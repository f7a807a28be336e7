/**
 * A copy of a volume that kubelet writes: ConfigMap, Secret, projected and downwardAPI. A change on the host raises no inotify event in the
 * guest. So the guest polls the volume and repeats changes in a file system of its own, in the order of kubelet's atomic writer: the new
 * version's directory, then the link `..data` in one step, then the other links, and the old version last.
 *
 * Without system calls: tested on the host.
 */

/** Facts of an entry from lstat(2). */
export interface EntryFacts {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly ino: number
  readonly mtime: number
}

/** The volume on the share. Paths begin at the volume's top: empty for the top itself, otherwise with a leading slash. */
export interface VolumeSource {
  /** Undefined if the path does not exist. */
  facts(path: string): EntryFacts | undefined
  names(path: string): readonly string[]
  linkTo(path: string): string | undefined
  /** At most `size` bytes. Undefined if the file is gone. */
  read(path: string, size: number): Uint8Array | undefined
}

export interface VolumeEntry {
  readonly path: string
  readonly facts: EntryFacts
  /** The target of a link. */
  readonly linkTo?: string | undefined
}

export interface VolumeCopy {
  /** Makes or replaces the entry in one step. */
  put(entry: VolumeEntry, data: Uint8Array | undefined): void
  /** Removes a file, a link or an empty directory. */
  remove(path: string): void
}

/** The result of a look. `moving`: kubelet was changing the volume, and nothing was copied. `large`: the volume exceeds the limits. */
export type Look = 'same' | 'copied' | 'moving' | 'large'

/** Kata's limits for a volume. */
export const mirrorLimits = { files: 16, bytes: 1024 * 1024 } as const
/** Limit of all entries, directories and links included. */
const mostEntries = 128

const types = { mask: 0o170000, directory: 0o040000, regular: 0o100000, link: 0o120000 } as const
const dataPath = '/..data'

/** One state of the volume, or why there is no consistent one. */
type Scan = { readonly version: string | undefined; readonly entries: VolumeEntry[] } | 'moving' | 'large'

export class VolumeMirror {
  readonly #source: VolumeSource
  readonly #copy: VolumeCopy
  /** Signatures of the copy's entries by path. */
  readonly #held = new Map<string, string>()
  /** Paths that the volume no longer had at the last look. They stay until the next look, for programs that are reading them. */
  #stale: readonly string[] = []
  /** {@link topOf} at the last look that found no change. */
  #resting: string | undefined

  constructor(source: VolumeSource, copy: VolumeCopy) {
    this.#source = source
    this.#copy = copy
  }

  /** Brings the copy up to date. @throws errors of the source and the copy; the next look continues from there. */
  look(): Look {
    const top = topOf(this.#source)
    if (top !== undefined && top === this.#resting) return 'same'
    this.#resting = undefined
    const scan = scanVolume(this.#source)
    if (typeof scan === 'string') return scan
    const changed = scan.entries.filter((entry) => this.#held.get(entry.path) !== signatureOf(entry))
    const contents = this.#read(changed)
    if (contents === undefined || this.#source.linkTo(dataPath) !== scan.version) return 'moving'
    const isBusy = this.#stale.length > 0 || changed.length > 0
    this.#removeStale(scan.entries, changed)
    for (const entry of inOrder(changed)) {
      this.#copy.put(entry, contents.get(entry.path))
      this.#held.set(entry.path, signatureOf(entry))
    }
    const there = new Set(scan.entries.map(({ path }) => path))
    this.#stale = [...this.#held.keys()].filter((path) => !there.has(path))
    if (isBusy || this.#stale.length > 0) return 'copied'
    this.#resting = top
    return 'same'
  }

  /** Contents of the changed files by path. Undefined if a file has changed since it was listed. */
  #read(changed: readonly VolumeEntry[]): Map<string, Uint8Array> | undefined {
    const contents = new Map<string, Uint8Array>()
    for (const { path, facts } of changed) {
      if (typeOf(facts) !== types.regular) continue
      const data = this.#source.read(path, facts.size + 1)
      if (data?.length !== facts.size) return undefined
      contents.set(path, data)
    }
    return contents
  }

  /** Removes entries that were stale at the last look and still are, and entries whose type changes. */
  #removeStale(entries: readonly VolumeEntry[], changed: readonly VolumeEntry[]): void {
    const there = new Set(entries.map(({ path }) => path))
    const replaced = changed
      .filter((entry) => heldType(this.#held.get(entry.path)) !== typeOf(entry.facts))
      .map(({ path }) => path)
    const isGone = (path: string) =>
      (this.#stale.includes(path) && !there.has(path)) ||
      replaced.some((other) => path === other || path.startsWith(`${other}/`))
    // The content of a directory is removed before the directory.
    const gone = [...this.#held.keys()].filter(isGone).sort((one, other) => other.length - one.length)
    for (const path of gone) {
      // The share's server keeps a descriptor for each entry that this kernel remembers. Looking for a version that is gone makes the kernel
      // forget it.
      if (path.lastIndexOf('/') === 0) this.#source.facts(path)
      this.#copy.remove(path)
      this.#held.delete(path)
    }
  }
}

function scanVolume(source: VolumeSource): Scan {
  // The link is read first, because the version that it leads to is complete by now.
  const version = source.linkTo(dataPath)
  const entries: VolumeEntry[] = []
  const pending = ['']
  const sum = { files: 0, bytes: 0 }
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const facts = source.facts(path)
    if (facts === undefined) return 'moving'
    const type = typeOf(facts)
    if (type === types.directory) pending.push(...pathsIn(source, path, version))
    else if (type === types.regular) {
      sum.files += 1
      sum.bytes += facts.size
    } else if (type !== types.link) continue
    const linkTo = type === types.link ? source.linkTo(path) : undefined
    if (type === types.link && linkTo === undefined) return 'moving'
    entries.push({ path, facts, linkTo })
    if (sum.files > mirrorLimits.files || sum.bytes > mirrorLimits.bytes) return 'large'
    if (entries.length + pending.length > mostEntries) return 'large'
  }
  return { version, entries }
}

/**
 * Paths of the entries of a directory. At the top, names with two leading dots are the atomic writer's; versions other than the current one are
 * left out.
 */
function pathsIn(source: VolumeSource, path: string, version: string | undefined): string[] {
  const isOther = (name: string) =>
    path === '' && version !== undefined && name.startsWith('..') && name !== '..data' && name !== version
  return source
    .names(path)
    .filter((name) => !isOther(name))
    .map((name) => `${path}/${name}`)
}

/** Changes with every step of the atomic writer. Undefined if the volume has another writer. */
function topOf(source: VolumeSource): string | undefined {
  const version = source.linkTo(dataPath)
  const facts = version === undefined ? undefined : source.facts('')
  return facts && [version, facts.mode, facts.uid, facts.gid, facts.ino, facts.mtime].join(' ')
}

function signatureOf({ facts, linkTo = '' }: VolumeEntry): string {
  const { mode, uid, gid, size, ino, mtime } = facts
  // A directory's size and time change with its entries, which have signatures of their own.
  return typeOf(facts) === types.directory
    ? [mode, uid, gid].join(' ')
    : [mode, uid, gid, size, ino, mtime, linkTo].join(' ')
}

function inOrder(entries: readonly VolumeEntry[]): VolumeEntry[] {
  const rank = ({ path, facts }: VolumeEntry) =>
    typeOf(facts) !== types.link ? 0 : path === dataPath ? 1 : 2
  return [...entries].sort((one, other) => rank(one) - rank(other))
}

const typeOf = ({ mode }: EntryFacts): number => mode & types.mask

/** Undefined if the copy has no such entry. */
const heldType = (signature: string | undefined): number | undefined =>
  signature === undefined ? undefined : Number.parseInt(signature, 10) & types.mask
