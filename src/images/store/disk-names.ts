/** Names and sizes of the disks in the store, and which of them an image has. */
import { existsSync, readdirSync } from 'node:fs'
import { bytesOnDisk } from './layer-sizes.ts'
import type { StorePaths } from './store-paths.ts'

/** Changed when disks are made otherwise: those of before are unused then. */
const diskVersion = 1

/** The file of the disk with these layers, which are named by what is in them, topmost first. */
export function diskName(layers: readonly string[]): string {
  const hasher = new Bun.CryptoHasher('sha256')
  for (const part of [`kata-ts disk ${diskVersion}`, ...layers]) hasher.update(`${part}\n`)
  return `${hasher.digest('hex')}.erofs`
}

/** That of an image, whose layers are listed lowest first. Equal layers count once (unpackImage). */
export const diskOfImage = (layers: readonly string[]): string => diskName([...new Set(layers.toReversed())])

/** Those that are there. */
export function diskNames({ disks }: StorePaths): string[] {
  return existsSync(disks) ? readdirSync(disks).filter((name) => /^[0-9a-f]{64}\.erofs$/.test(name)) : []
}

/** On the host's disk; 0 when it is not there. */
export function diskBytes({ disks }: StorePaths, name: string): number {
  return bytesOnDisk(`${disks}/${name}`)
}
