/** Where the bundle of a container has its name. */
import { writeEventLogWishes } from '../../bundle/event-log.ts'
import { type NetworkPlace, readNetworkWishes, writeNetworkWishes } from '../../bundle/network.ts'
import { eventAttributes } from './events.ts'
import { type ContainerRecord, recordPaths } from './record.ts'

/**
 * Puts the name of the record there. A rename that is killed before leaves the old name in the bundle, so each start asks for it again; it
 * mostly finds the name, and writes nothing.
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

/** Its network no longer resolves the old name, the first one, which another container may take. Aliases stay. */
export function under(name: string, place: NetworkPlace): NetworkPlace {
  return { ...place, names: [...new Set([name, ...place.names.slice(1)])] }
}
