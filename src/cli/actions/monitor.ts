import { closeSync, constants, existsSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { openContainerLog } from '../../sandbox/records/container-log.ts'
import { endContainer } from '../client/end.ts'
import { isExternal, pathsOf } from '../client/external.ts'
import { watchHealth } from '../client/life/health.ts'
import { startAgain } from '../client/life/keeper.ts'
import { afterEnd } from '../client/life/restarts.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { TaskClient } from '../client/task.ts'
import { defaultLogBounds } from '../parse/log-options.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

/**
 * Waits for a container that was left running, or for one process in it, reads what it prints meanwhile, and cleans up. It starts the
 * container again as its restart policy says, and goes on.
 */
export async function monitor(settings: Settings, name: string, execId: string | undefined): Promise<void> {
  const record = findRecord(settings, name)
  if (execId !== undefined) return monitorExec(settings, record, await connect(record), execId)
  // One that ran in the foreground may have ended already.
  if (record.status !== 'stopped') await monitorRun(settings, record)
  if (record.autoRemove) return
  while (await startAgain(settings, record)) await monitorRun(settings, findRecord(settings, name))
}

const connect = ({ address = '', namespace, id }: ContainerRecord) =>
  TaskClient.connect(address, namespace, id)

async function monitorRun(settings: Settings, record: ContainerRecord): Promise<void> {
  const task = await connect(record)
  const paths = recordPaths(settings.stateDir, record.namespace, record.id)
  const log = openContainerLog(paths.log, 'stdout', record.logBounds ?? defaultLogBounds)
  const over = new AbortController()
  const health = watchHealth(settings, record, task, over.signal)
  const output = readOn(`${dirname(paths.stdin)}/stdout`, (chunk) => log.write(chunk))
  const exitCode = await task.wait().catch((error) => {
    settings.log.error('the shim was lost', { id: record.id, error })
    return undefined
  })
  over.abort()
  await Promise.all([output, health])
  log.close()
  await endContainer(settings, record, { exitCode, task, note: (code) => afterEnd(settings, record, code) })
}

/** The output of an exec whose client detached is lost, as in docker. */
async function monitorExec(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
  execId: string,
): Promise<void> {
  const directory = `${pathsOf(settings, record).io}/${execId}`
  const output = readOn(`${directory}/stdout`, () => {})
  try {
    await task.wait(execId)
    await output
    await task.delete(execId)
  } catch (error) {
    settings.log.debug('the process ended with its container', {
      execId,
      error,
      external: isExternal(record),
    })
  } finally {
    task.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Reads a FIFO until the shim closes it; does nothing where there is none. */
async function readOn(path: string, take: (chunk: Uint8Array) => void): Promise<void> {
  if (!existsSync(path)) return
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    for await (const chunk of Bun.file(fd).stream()) take(chunk)
  } finally {
    closeSync(fd)
  }
}
