/**
 * A host that goes down loses the run directory (a tmpfs) and keeps the accounts of that moment in /etc. No one
 * runs `kata-ts gc` on a Kubernetes node, so the first start after a boot, or after the loss of the run directory, sweeps.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { bootId, readProc } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { reservationsDir } from './reservation.ts'
import { type SweepOptions, sweepRootless } from './sweep.ts'

/** Sweeps unless that was done since the host started. What goes wrong is logged: it is no reason not to start. */
export async function sweepOncePerBoot(options: SweepOptions, log: Logger): Promise<void> {
  const { runDir } = options
  const mark = `${runDir}/swept`
  const boot = bootId()
  const isDue = () => readProc(mark) !== boot
  if (!isDue()) return
  try {
    mkdirSync(runDir, { recursive: true, mode: 0o711 })
    mkdirSync(reservationsDir(runDir), { recursive: true, mode: 0o700 })
    // Of several starts at once one sweeps, and the others wait for it.
    for (const { name, found, error } of await sweepRootless(options, log, isDue))
      if (error === undefined) log.info('removed what an earlier boot left', { name, found })
    writeFileSync(mark, boot, { mode: 0o600 })
  } catch (error) {
    log.warn('could not look for what an earlier boot left', { error })
  }
}
