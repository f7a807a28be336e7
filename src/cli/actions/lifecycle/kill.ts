import { KataError } from '../../../errors.ts'
import { noteEvent } from '../../client/events.ts'
import { noteSignal } from '../../client/life/restarts.ts'
import { parseSignal } from '../../parse/signal.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'

const SIGKILL = 9

export async function kill(
  settings: Settings,
  { signal, all, execId = '' }: { signal: string; all: boolean; execId?: string | undefined },
  names: readonly string[],
): Promise<number> {
  const number = parseSignal(signal)
  if (all && number !== SIGKILL)
    throw new KataError('OPTION_CONFLICT', {
      options: `--all and --signal ${signal}`,
      reason: 'the guest sends no other signal than SIGKILL to all processes of a container',
      remedy: 'Run `kill` in the container: `kata-ts exec NAME kill -TERM -1`.',
    })
  return forEachName(settings, names, async (name) => {
    const record = findRecord(settings, name)
    const task = await connectRunning(record)
    if (execId === '') noteSignal(settings, record, number)
    try {
      await task.kill(number, { all, execId })
      if (execId === '') noteEvent(settings, record, 'kill', { signal: String(number) })
    } finally {
      task.close()
    }
  })
}
