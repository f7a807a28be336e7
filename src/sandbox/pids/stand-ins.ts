/** The processes that stand for containers: container-pids.ts. */
import { rmSync } from 'node:fs'
import type { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { forgetPosture } from '../../rootless/posture/posture-record.ts'
import type { StandIns } from './container-pids.ts'
import { type SleeperOptions, sleeperDir, startSleeper } from './sleeper.ts'

/** `onStarted` is called after each start. */
export function jailedStandIns(
  ledger: Ledger,
  options: Omit<SleeperOptions, 'name' | 'working'>,
  onStarted: () => void,
): StandIns {
  const names = new Map<string, string>()
  let serial = 0
  return {
    async start(containerId) {
      const name = `stand-in-${++serial}`
      names.set(containerId, name)
      const standIn = await startSleeper(ledger, { ...options, name })
      onStarted()
      return standIn
    },
    async end(containerId) {
      const name = names.get(containerId)
      if (name === undefined) return
      names.delete(containerId)
      // It may end now, and no audit is to wonder.
      forgetPosture(options.stateDir, name)
      await ledger.release(processResource, (held) => held.name === name)
      rmSync(sleeperDir(options.stateDir, name), { recursive: true, force: true })
    },
  }
}
