/** What unpacked layers take on the disk, counted once for each. */
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import type { StorePaths } from './store-paths.ts'

/** The directory of an unpacked layer. */
export const layerName = (diffId: string): string => diffId.replace(':', '-')

/** Names of all unpacked layers. */
export function layerNames({ layers }: StorePaths): string[] {
  return existsSync(layers) ? readdirSync(layers).filter((name) => /^sha256-[0-9a-f]{64}$/.test(name)) : []
}

/** Bytes on the disk of an unpacked layer; undefined when it is not unpacked. */
export function layerBytes({ layers, sizes }: StorePaths, name: string): number | undefined {
  const directory = `${layers}/${name}`
  if (!existsSync(directory)) return undefined
  const note = `${sizes}/${name}`
  const known = noted(note)
  if (known !== undefined) return known
  const bytes = treeBytes(directory)
  if (existsSync(sizes)) noteBytes(note, bytes)
  return bytes
}

/** On a full disk it is counted again the next time: what makes room asks for sizes too. */
function noteBytes(note: string, bytes: number): void {
  try {
    replaceFile(note, String(bytes))
  } catch (error) {
    if (!isDiskFull(error)) throw error
  }
}

export function forgetLayerSize({ sizes }: StorePaths, name: string): void {
  rmSync(`${sizes}/${name}`, { force: true })
}

function noted(note: string): number | undefined {
  try {
    const bytes = Number(readFileSync(note, 'utf8'))
    return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Bytes of all blobs. */
export function blobsBytes({ blobs }: StorePaths): number {
  return namesIn(blobs).reduce((sum, name) => sum + onDisk(`${blobs}/${name}`), 0)
}

function onDisk(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
}

/** Bytes on the disk of a directory with all below it; files with several names count once. What vanishes meanwhile counts nothing. */
export function treeBytes(directory: string): number {
  const seen = new Set<number>()
  const bytesOf = (path: string): number => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || (stat.nlink > 1 && !stat.isDirectory() && seen.has(stat.ino))) return 0
    seen.add(stat.ino)
    const own = stat.blocks * 512
    return stat.isDirectory()
      ? own + namesIn(path).reduce((sum, name) => sum + bytesOf(`${path}/${name}`), 0)
      : own
  }
  return bytesOf(directory)
}
