/** The containers that have a volume, in whatever state they are: one that is stopped wants it again. */
import { existsSync } from 'node:fs'
import { describeError, KataError } from '../../../errors.ts'
import { readSpecIfThere } from '../../../oci/bundle.ts'
import { listRecords, recordPaths } from '../record.ts'
import { listVolumes, type VolumeStore, volumePaths } from './store.ts'

/** Names of containers by the path of a volume's files. */
type VolumeUses = ReadonlyMap<string, readonly string[]>

/** For people: a container whose specification cannot be read has none. */
export const volumeUses = (store: VolumeStore): VolumeUses => usesOf(store, sourcesOf)

/** For removals. @throws KataError RECORD_UNREADABLE: which volumes such a container has is not known. */
export const certainUses = (store: VolumeStore): VolumeUses => usesOf(store, certainSources)

function usesOf(
  { stateDir, namespace }: VolumeStore,
  sources: (bundle: string) => readonly string[],
): VolumeUses {
  const uses = new Map<string, string[]>()
  for (const id of listRecords(stateDir, namespace))
    for (const source of sources(recordPaths(stateDir, namespace, id).bundle))
      uses.set(source, [...(uses.get(source) ?? []), id])
  return uses
}

/** The names of the volumes that a container has, sorted. */
export function volumesOf(store: VolumeStore, bundle: string): string[] {
  const sources = new Set(sourcesOf(bundle))
  return listVolumes(store).filter((name) => sources.has(volumePaths(store, name).data))
}

function sourcesOf(bundle: string): readonly string[] {
  try {
    return certainSources(bundle)
  } catch {
    return []
  }
}

/** A container that is being made, or removed, has no specification. */
function certainSources(bundle: string): readonly string[] {
  try {
    return (readSpecIfThere(bundle)?.mounts ?? []).map(({ source = '' }) => source)
  } catch (cause) {
    if (!existsSync(bundle)) return []
    const fields = { path: `${bundle}/config.json`, reason: describeError(cause) }
    throw new KataError('RECORD_UNREADABLE', fields, { cause })
  }
}
