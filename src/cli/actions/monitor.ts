import { closeSync, constants, existsSync, openSync, rmSync } from 'node:fs'
import { sleep } from '../../time.ts'
import { endContainer } from '../client/end.ts'
import { isExternal, pathsOf } from '../client/external.ts'
import { watchHealth } from '../client/life/health.ts'
import { startAgain } from '../client/life/keeper.ts'
import { afterEnd } from '../client/life/restarts.ts'
import type { ContainerRecord } from '../client/record.ts'
import { observe } from '../client/status.ts'
import { TaskClient } from '../client/task.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

/**
 * Waits for a container that was left running, or for one process in it, and cleans up. It starts the container again as its restart policy
 * says, and goes on.
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

/** Between two tries to reach a shim that is there and does not answer, milliseconds. */
const againMs = 1000

/** Undefined for a container whose shim has died since it was left running: that is an end as any other. */
async function connectUnlessDead(record: ContainerRecord): Promise<TaskClient | undefined> {
  for (;;) {
    try {
      return await connect(record)
    } catch {
      if ((await observe(record)).status === 'dead') return undefined
      await sleep(againMs)
    }
  }
}

async function monitorRun(settings: Settings, record: ContainerRecord): Promise<void> {
  const task = await connectUnlessDead(record)
  const exitCode = task && (await watchRun(settings, record, task))
  await endContainer(settings, record, { exitCode, task, note: (code) => afterEnd(settings, record, code) })
}

/** The exit code of the container; undefined when its shim was lost. */
async function watchRun(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
): Promise<number | undefined> {
  const over = new AbortController()
  const health = watchHealth(settings, record, task, over.signal)
  const exitCode = await task.wait().catch((error) => {
    settings.log.error('the shim was lost', { id: record.id, error })
    return undefined
  })
  over.abort()
  await health
  return exitCode
}

/** The output of an exec whose client detached is lost, as in docker. */
async function monitorExec(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
  execId: string,
): Promise<void> {
  const directory = `${pathsOf(settings, record).io}/${execId}`
  const output = readFifo(`${directory}/stdout`, () => {})
  try {
    await task.wait(execId)
    await output.finish()
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

interface Reading {
  /** Resolves once all that was written before is read. To be called when nobody writes any more. */
  finish(): Promise<void>
}

/**
 * Reads a FIFO; does nothing where there is none. Its writers may all have gone before this process opens it, and then the kernel tells of no end:
 * so it is a writer itself until it is to finish.
 */
function readFifo(path: string, take: (chunk: Uint8Array) => void): Reading {
  if (!existsSync(path)) return { finish: async () => {} }
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const own = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const read = async () => {
    try {
      for await (const chunk of Bun.file(fd).stream()) take(chunk)
    } finally {
      closeSync(fd)
    }
  }
  const ended = read()
  return {
    finish() {
      closeSync(own)
      return ended
    },
  }
}
