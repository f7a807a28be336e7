/** The names in the store: `index.json` of its OCI layout, replaced in one step. */
import { existsSync, openSync, renameSync, rmSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { dictionary, list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { positive, text } from '../../json/values.ts'
import { writeAll } from '../../linux/files/named-write.ts'
import { closing } from '../../linux/files/open-at.ts'
import type { StorePaths } from './store-paths.ts'

/** One name in the store. */
export interface IndexEntry {
  /** The full name. */
  readonly name: string
  /** The digest of its manifest. */
  readonly digest: string
  readonly mediaType: string
  /** The size of its manifest, bytes. */
  readonly size: number
  /** ISO 8601. */
  readonly pulledAt: string
}

interface StoredDescriptor {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly annotations: Readonly<Record<string, string>>
}

/** What is read of an index, and so the most that is written. */
const [mostNames, mostBytes] = [65_536, 64 << 20]

const nameKey = 'org.opencontainers.image.ref.name'
const pulledKey = 'io.kata-ts.pulled-at'

const readIndexFile = record<{ readonly manifests: readonly StoredDescriptor[] }>({
  manifests: needed(
    list(
      record<StoredDescriptor>({
        digest: needed(text),
        mediaType: needed(text),
        size: needed(positive),
        annotations: needed(dictionary(text)),
      }),
      mostNames,
    ),
  ),
})

/** Sorted by name; empty without a store. @throws KataError IMAGE_STORE_CORRUPT. */
export function readIndex({ index, layout }: StorePaths): IndexEntry[] {
  if (!existsSync(index)) return []
  try {
    return readFile(readIndexFile, index, { maxBytes: mostBytes }).manifests.map(
      ({ digest, mediaType, size, annotations }) => {
        const name = annotations[nameKey]
        if (name === undefined) throw new Error(`${digest} has no name`)
        return { name, digest, mediaType, size, pulledAt: annotations[pulledKey] ?? '' }
      },
    )
  } catch (cause) {
    throw new KataError('IMAGE_STORE_CORRUPT', { path: layout, reason: describeError(cause) }, { cause })
  }
}

/** The caller holds the index or the store. @throws KataError IMAGE_NAMES_TOO_MANY; an errno error. The index is as it was then. */
export function writeIndex({ index }: StorePaths, entries: readonly IndexEntry[]): void {
  const manifests = entries
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, digest, mediaType, size, pulledAt }) => ({
      mediaType,
      digest,
      size,
      annotations: { [nameKey]: name, [pulledKey]: pulledAt },
    }))
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const text = Buffer.from(`${JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, 2)}\n`)
  if (entries.length > mostNames || text.length > mostBytes)
    throw new KataError('IMAGE_NAMES_TOO_MANY', { count: entries.length })
  const fresh = `${index}.new`
  try {
    closing(openSync(fresh, 'w', 0o600), (fd) => writeAll(fd, text, index, { isFlushed: true }))
    renameSync(fresh, index)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}
