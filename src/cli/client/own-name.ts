/** Writes the container's name to its bundle. */
import { writeEventLogWishes } from '../../bundle/event-log.ts'
import { type NetworkPlace, readNetworkWishes, writeNetworkWishes } from '../../bundle/network.ts'
import { eventAttributes } from './events.ts'
import { type ContainerRecord, recordPaths } from './record.ts'

/**
 * Updates the name in the bundle from the record. A rename that was killed half-way leaves the old name there, so each start calls this. Usually
 * the name is right, and nothing is written.
 *
 * @throws KataError BUNDLE_FILE_INVALID.
 */
export function writeOwnName(stateDir: string, record: ContainerRecord): void {
  const { bundle } = recordPaths(stateDir, record.namespace, record.id)
  const wishes = readNetworkWishes(bundle)
  const name = record.id.toLowerCase()
  if (wishes?.place !== undefined && wishes.place.names[0] !== name)
    writeNetworkWishes(bundle, { ...wishes, place: under(name, wishes.place) }, { isFlushed: true })
  writeEventLogWishes(bundle, { stateDir, attributes: eventAttributes(record) }, { isFlushed: true })
}

/** Replaces the first name, which is the container's own: another container may take the old one. Aliases stay. */
export function under(name: string, place: NetworkPlace): NetworkPlace {
  return { ...place, names: [...new Set([name, ...place.names.slice(1)])] }
}
