/**
 * dm-verity for layers. containerd's differ has put hashes behind a layer's data in the same file, and noted the root hash beside it. The
 * guest checks each block that it reads against that hash, so that a layer's file that changed on the host is not used.
 */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { JsonMismatch } from '../../json/place.ts'
import { positive, textUpTo } from '../../json/values.ts'
import { verityEnabled } from '../../protocol/storage-drivers.ts'
import type { GuestStorage } from '../../sharing/share.ts'

export interface LayerVerity {
  /** In hex. */
  readonly rootHash: string
  /** Where the superblock begins in the layer's file, bytes. */
  readonly hashOffset: number
}

interface Note {
  readonly roothash: string
  readonly hashoffset: number
  /** Another file, which has the hashes. */
  readonly hashdevice?: string
}

/** Longest note that is read. */
const maxBytes = 4096
const readNote = record<Note>({
  roothash: needed(textUpTo(128)),
  hashoffset: needed(positive),
  hashdevice: textUpTo(maxBytes),
})
/** Hex digits of SHA-256 and SHA-512. */
const rootHashes = /^([0-9a-f]{64}|[0-9a-f]{128})$/
const sectorBytes = 512

const noteBeside = (layer: string) => `${layer}.dmverity`

/**
 * What a layer is to be verified by; undefined for one that is not to be.
 *
 * @param wish `on`, `off`, `auto` (when there is a note beside the layer, as containerd takes it), or the path of the note.
 * @throws KataError ROOTFS_LAYERS when it cannot be verified as asked for.
 */
export function layerVerity(source: string, wish: string, container: string): LayerVerity | undefined {
  const refuse = (reason: string, cause?: unknown) =>
    new KataError(
      'ROOTFS_LAYERS',
      { container, reason: `${source} cannot be verified by dm-verity: ${reason}` },
      { cause },
    )
  const note = ['on', 'auto'].includes(wish) ? noteBeside(source) : wish
  if (wish === 'off' || (wish === 'auto' && !existsSync(note))) return undefined
  if (!note.startsWith('/')) throw refuse(`${note} is neither on, off, auto nor an absolute path`)
  if (existsSync(`${source}.sig`))
    throw refuse('its root hash is signed, and the guest has no keys to check that')
  const { roothash: rootHash, hashoffset: hashOffset, hashdevice } = read(note, refuse)
  if (hashdevice !== undefined) throw refuse(`${note} names another file for the hashes, ${hashdevice}`)
  if (!rootHashes.test(rootHash)) throw refuse(`${note} has no root hash of SHA-256 or SHA-512`)
  if (hashOffset % sectorBytes !== 0)
    throw refuse(`${note} has hashes at byte ${hashOffset}, within a sector`)
  return { rootHash, hashOffset }
}

/**
 * Merged layers: containerd notes no hashes for their common directory, so that they would be read unverified.
 *
 * @throws KataError ROOTFS_LAYERS for a file of theirs that has a note.
 */
export function requireNoNote(files: readonly string[], container: string): void {
  const noted = files.find((file) => existsSync(noteBeside(file)))
  if (noted === undefined) return
  const reason = `${noted} is to be verified by dm-verity, and merged layers (max_unmerged_layers) cannot be`
  throw new KataError('ROOTFS_LAYERS', { container, reason })
}

/** For the guest's agent. */
export const verityOptions = ({ rootHash, hashOffset }: LayerVerity): string[] => [
  verityEnabled,
  `X-kata.dmverity.roothash=${rootHash}`,
  `X-kata.dmverity.hashoffset=${hashOffset}`,
]

/** Kernel modules that the guest needs for a storage, as far as its disks ask for them. */
export const modulesOf = (storage: Pick<GuestStorage, 'fstype' | 'options'>): string[] =>
  storage.options.includes(verityEnabled) ? [storage.fstype, 'dm_verity'] : [storage.fstype]

function read(note: string, refuse: (reason: string, cause: unknown) => KataError): Note {
  try {
    return readFile(readNote, note, { maxBytes })
  } catch (error) {
    if (error instanceof JsonMismatch) throw refuse(`${note} is not understood: ${error.message}`, error)
    throw refuse(`${note} cannot be read: ${(error as NodeJS.ErrnoException).code}`, error)
  }
}
