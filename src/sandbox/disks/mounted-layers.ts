/**
 * Layers of the erofs snapshotter of containerd 2.1, which mounts them on the host itself: what it hands over is an overlay of the places
 * where they are. The files lie beside these places. Made disks of, they are as containerd 2.2 hands them over.
 */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { RootfsMount } from '../../sharing/share.ts'

/** The snapshotter's names for a layer's file, for what marks its directories, and for the place where the layer is mounted. */
const [layerFile, mark, place] = ['layer.erofs', '.erofslayer', 'fs']
const lowerPrefix = 'lowerdir='

/** The same root file system by the files of its layers; undefined for any other. */
export function mountedLayers(mounts: readonly RootfsMount[]): readonly RootfsMount[] | undefined {
  const [mount, ...more] = mounts
  if (mount?.type !== 'overlay' || more.length > 0) return undefined
  const { source, options } = mount
  const lower = options.find((word) => word.startsWith(lowerPrefix))?.slice(lowerPrefix.length) ?? ''
  const files = lower.split(':').map(fileOf)
  if (!files.every((file) => file !== undefined)) return undefined
  const others = options.filter((word) => !word.startsWith(lowerPrefix))
  const lowerLayers = `${lowerPrefix}{{ overlay 0 ${files.length - 1} }}`
  return [...files.map(layer), { type: 'format/overlay', source, options: [...others, lowerLayers] }]
}

function fileOf(mounted: string): string | undefined {
  const directory = dirname(mounted)
  const file = `${directory}/${layerFile}`
  const isLayer = basename(mounted) === place && existsSync(`${directory}/${mark}`)
  return isLayer && statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined
}

const layer = (source: string): RootfsMount => ({ type: 'erofs', source, options: ['ro', 'loop'] })
