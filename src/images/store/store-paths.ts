/** Where the store of images keeps what: an OCI image layout that is root's, beside the unpacked layers. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { atPath } from '../../linux/files/named-write.ts'

export interface StorePaths {
  /** The layout: `index.json`, `oci-layout` and `blobs`. */
  readonly layout: string
  readonly index: string
  readonly blobs: string
  /** Root file systems as disks. */
  readonly disks: string
  /** Sizes of unpacked layers, which are not counted twice. */
  readonly sizes: string
  /** Unpacked layers, those of archives too. */
  readonly layers: string
  /** What a layer cache takes for its directory. */
  readonly cacheDir: string
}

/** `stateDir`: /var/lib/kata-ts. */
export function storePaths(stateDir: string): StorePaths {
  const layout = `${stateDir}/images`
  return {
    layout,
    index: `${layout}/index.json`,
    blobs: `${layout}/blobs/sha256`,
    sizes: `${layout}/sizes`,
    disks: `${layout}/disks`,
    layers: `${stateDir}/layers`,
    cacheDir: stateDir,
  }
}

/** Makes what is missing of it. @throws an error of the system, with its `code`. */
export function makeStore(paths: StorePaths): void {
  mkdirSync(paths.layout, { recursive: true, mode: 0o700 })
  for (const directory of [paths.blobs, paths.disks, paths.sizes, paths.layers])
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  try {
    atPath(paths.layout, () =>
      writeFileSync(`${paths.layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}\n', { flag: 'wx' }),
    )
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** The name of a blob's file. @throws KataError IMAGE_STORE_CORRUPT. */
export function blobPath({ blobs, layout }: StorePaths, digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1]
  if (hex === undefined)
    throw new KataError('IMAGE_STORE_CORRUPT', { path: layout, reason: `"${digest}" is no digest` })
  return `${blobs}/${hex}`
}
