import { KataError } from '../../errors.ts'
import { sleep } from '../../time.ts'
import { isExternal } from '../client/external.ts'
import { LogTail } from '../client/log-tail.ts'
import { openSink } from '../client/output.ts'
import { recordPaths } from '../client/record.ts'
import { observe } from '../client/status.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

const pollMs = 200

export async function logs(
  settings: Settings,
  { follow }: { follow: boolean },
  name: string,
): Promise<number> {
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('LOG_ELSEWHERE', { name })
  if (!record.detached) throw new KataError('LOG_NOT_KEPT', { name })
  const { stdoutLog, stderrLog } = recordPaths(settings.stateDir, record.namespace, record.id)
  const tails = [new LogTail(stdoutLog, openSink(1)), new LogTail(stderrLog, openSink(2))]
  const copyAll = async () => {
    for (const tail of tails) await tail.copy()
  }
  try {
    await copyAll()
    while (follow && !(await hasEnded(settings, name))) {
      await sleep(pollMs)
      await copyAll()
    }
    await copyAll()
    return 0
  } finally {
    for (const tail of tails) tail.close()
  }
}

async function hasEnded(settings: Settings, name: string): Promise<boolean> {
  try {
    const { status } = await observe(findRecord(settings, name))
    return status === 'stopped' || status === 'dead'
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return true
    throw error
  }
}
