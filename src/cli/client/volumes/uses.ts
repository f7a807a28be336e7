/** The containers that have a volume, in whatever state they are: one that is stopped wants it again. */
import { readBundleSpec } from '../../../oci/bundle.ts'
import { listRecords, recordPaths } from '../record.ts'
import { listVolumes, type VolumeStore, volumePaths } from './store.ts'

/** Names of containers by the path of a volume's files. A container whose specification cannot be read has none. */
export function volumeUses({ stateDir, namespace }: VolumeStore): ReadonlyMap<string, readonly string[]> {
  const uses = new Map<string, string[]>()
  for (const id of listRecords(stateDir, namespace))
    for (const source of sourcesOf(recordPaths(stateDir, namespace, id).bundle))
      uses.set(source, [...(uses.get(source) ?? []), id])
  return uses
}

/** The names of the volumes that a container has, sorted. */
export function volumesOf(store: VolumeStore, bundle: string): string[] {
  const sources = new Set(sourcesOf(bundle))
  return listVolumes(store).filter((name) => sources.has(volumePaths(store, name).data))
}

function sourcesOf(bundle: string): string[] {
  try {
    return (readBundleSpec(bundle).mounts ?? []).map(({ source = '' }) => source)
  } catch {
    return []
  }
}
