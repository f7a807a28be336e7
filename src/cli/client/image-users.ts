/** The images, layers and disks of the store that containers and snapshots use, in all namespaces. */
import type { ImageUsers } from '../../images/store/remove-images.ts'
import { storedDisk } from './disk-root.ts'
import { listNamespaces, readRecords } from './record.ts'
import { snapshotRecords } from './snapshots/store.ts'

/**
 * `without`: containers to leave out, as `namespace/id`. @throws KataError RECORD_UNREADABLE, because it is unknown what such a container uses.
 */
export function imageUsers(stateDir: string, without: ReadonlySet<string> = new Set()): ImageUsers {
  const containers = new Map<string, string[]>()
  const layers = new Set<string>()
  const disks = new Set<string>()
  // A container without a record uses no layers yet: its client locks the store until the record is written.
  for (const namespace of listNamespaces(stateDir))
    for (const record of readRecords(stateDir, namespace)) {
      const { id } = record
      if (without.has(`${namespace}/${id}`)) continue
      for (const path of record.layers) layers.add(path.slice(path.lastIndexOf('/') + 1))
      const disk = record.disks === undefined ? undefined : storedDisk(record.disks, stateDir)
      if (disk !== undefined) disks.add(disk)
      if (record.imageId === undefined) continue
      const name = namespace === 'default' ? id : `${namespace}/${id}`
      containers.set(record.imageId, [...(containers.get(record.imageId) ?? []), name])
    }
  for (const { layers: paths, disks: own } of snapshotRecords(stateDir)) {
    for (const path of paths) layers.add(path.slice(path.lastIndexOf('/') + 1))
    const disk = own === undefined ? undefined : storedDisk(own, stateDir)
    if (disk !== undefined) disks.add(disk)
  }
  return { containers, layers, disks }
}
