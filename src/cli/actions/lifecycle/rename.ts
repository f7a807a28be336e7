import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { KataError } from '../../../errors.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { mayStartAgain } from '../../client/life/restarts.ts'
import { writeOwnName } from '../../client/own-name.ts'
import { readRecord, recordPaths, updateRecord } from '../../client/record.ts'
import { observe } from '../../client/status.ts'
import type { Settings } from '../../settings.ts'
import { findRecord } from '../containers.ts'
import { release } from './start.ts'

/** Its machine would have the old name, so there must be none. */
export async function rename(settings: Settings, name: string, newName: string): Promise<number> {
  const { stateDir, namespace } = settings
  const found = findRecord(settings, name)
  if (isExternal(found)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'renamed' })
  const { directory } = recordPaths(stateDir, namespace, name)
  const target = recordPaths(stateDir, namespace, newName).directory
  const outcome = await underDirectoryLock(directory, 0, async () => {
    const record = findRecord(settings, name)
    const seen = await observe(record)
    const { status, held } = seen
    const hasEnded = status === 'stopped' || status === 'dead'
    // The monitor of one that died is about to start it again.
    if (status === 'dead' && mayStartAgain(record))
      throw new KataError('CONTAINER_RUNNING', { name, status: 'restarting' })
    if (status === 'restarting' || (held && !hasEnded))
      throw new KataError('CONTAINER_RUNNING', { name, status })
    if (hasEnded) await release(settings, record, seen)
    // Its monitor knows it by the old name.
    const now = await observe(readRecord(stateDir, namespace, name))
    if (now.status === 'restarting') throw new KataError('CONTAINER_RUNNING', { name, status: now.status })
    claim(target, newName, namespace)
    try {
      renameSync(directory, target)
    } catch (error) {
      rmdirSync(target)
      throw error
    }
    const renamed = readRecord(stateDir, namespace, newName)
    updateRecord(stateDir, namespace, newName, { id: newName })
    writeOwnName(stateDir, renamed)
    noteEvent(settings, renamed, 'rename', { oldName: name })
  })
  if (outcome === 'busy') throw new KataError('CONTAINER_BUSY', { name })
  if (outcome === 'gone') throw new KataError('CONTAINER_NOT_FOUND', { name, namespace })
  return 0
}

/** As a new container does it: two that want one name cannot both have it. */
function claim(target: string, name: string, namespace: string): void {
  try {
    mkdirSync(target, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new KataError('CONTAINER_EXISTS', { name, namespace }, { cause })
  }
}
