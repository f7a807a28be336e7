/** The health of a container as its monitor last saw it: a file beside its record. */
import { rmSync } from 'node:fs'
import { readFile } from '../../../json/document.ts'
import { replaceFile } from '../../../linux/files/replace-file.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'
import { type Health, readHealth, startingHealth } from './health-check.ts'

function pathOf({ stateDir }: Settings, { namespace, id }: ContainerRecord): string {
  return `${recordPaths(stateDir, namespace, id).directory}/health.json`
}

/** Undefined for a container without a check; `starting` before the first one. */
export function healthOf(settings: Settings, record: ContainerRecord): Health | undefined {
  if (record.health === undefined) return undefined
  try {
    return readFile(readHealth, pathOf(settings, record))
  } catch {
    // There is none yet, or the container is being removed.
    return startingHealth
  }
}

/** A container that is being removed has none any more. */
export function writeHealth(settings: Settings, record: ContainerRecord, health: Health): void {
  const path = pathOf(settings, record)
  try {
    replaceFile(path, JSON.stringify(health))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Another run begins. */
export function forgetHealth(settings: Settings, record: ContainerRecord): void {
  rmSync(pathOf(settings, record), { force: true })
}
