import { boundedJsonLines, createLogger, keepNewest } from '../../log.ts'
import { sleep } from '../../time.ts'
import { cleanUpRun } from '../client/life/clean-up.ts'
import { watchHealth } from '../client/life/health.ts'
import { becomesMonitor } from '../client/life/monitor.ts'
import { startAgain } from '../client/life/start-again.ts'
import type { ContainerRecord } from '../client/record.ts'
import { observe } from '../client/status.ts'
import { TaskClient } from '../client/task.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

/**
 * Waits for a container that was left running, and cleans up. It starts the container again as its restart policy says, and goes on.
 */
export async function monitor(given: Settings, name: string): Promise<void> {
  const settings = withBoundedLog(given)
  if (!(await becomesMonitor(settings, findRecord(settings, name)))) return
  const record = findRecord(settings, name)
  // One that ran in the foreground may have ended already.
  if (record.status !== 'stopped') await monitorRun(settings, record)
  if (record.autoRemove) return
  while (await startAgain(settings, record)) await monitorRun(settings, findRecord(settings, name))
}

/** Its standard error is a file (../client/life/monitor.ts), and a container that fails again and again has as many lines in it. */
function withBoundedLog(settings: Settings): Settings {
  const { debug, tell } = settings
  return {
    ...settings,
    log: createLogger({ level: debug ? 'debug' : 'warn', sink: boundedJsonLines(2) }),
    tell: (text) => {
      keepNewest(2)
      tell(text)
    },
  }
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
  await cleanUpRun(settings, { run: record, exitCode, task })
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
