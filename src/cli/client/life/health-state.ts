/** Keeps a container's health, as its monitor last saw it, in a file beside the record. */
import { rmSync } from 'node:fs'
import { readFile } from '../../../json/document.ts'
import { replaceFile } from '../../../linux/files/replace-file.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'
import { type Health, readHealth, startingHealth } from './health-check.ts'

function pathOf({ stateDir }: Settings, { namespace, id }: ContainerRecord): string {
  return `${recordPaths(stateDir, namespace, id).directory}/health.json`
}

/** Undefined if the container has no check; `starting` before the first one. */
export function healthOf(settings: Settings, record: ContainerRecord): Health | undefined {
  if (record.health === undefined) return undefined
  try {
    return readFile(readHealth, pathOf(settings, record))
  } catch {
    // There is no file yet, or the container is being removed.
    return startingHealth
  }
}

/** Writes the health. Does nothing if the container is being removed. */
export function writeHealth(settings: Settings, record: ContainerRecord, health: Health): void {
  const path = pathOf(settings, record)
  try {
    replaceFile(path, JSON.stringify(health))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Removes the health of the last run. */
export function forgetHealth(settings: Settings, record: ContainerRecord): void {
  rmSync(pathOf(settings, record), { force: true })
}
