/**
 * A host that goes down loses the run directory (a tmpfs) and keeps the accounts of that moment in /etc. No one
 * runs `kata-ts gc` on a Kubernetes node, so the first start after a boot, or after the loss of the run directory, sweeps. Configurations
 * may have several ranges of ids, and a start knows its own.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { bootId, readProc } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { reservationsDir } from './reservation.ts'
import { type SweepOptions, sweepRootless } from './sweep.ts'

/** Sweeps the range unless that was done since the host started. What goes wrong is logged: it is no reason not to start. */
export async function sweepOncePerBoot(options: SweepOptions, log: Logger): Promise<void> {
  const { runDir, range } = options
  const mark = `${runDir}/swept`
  const boot = bootId()
  const own = `${range.base}+${range.blocks}`
  const swept = () => sweptIn(mark, boot)
  const isDue = () => !swept().includes(own)
  if (!isDue()) return
  let hadTurn = false
  const isWanted = () => {
    hadTurn = true
    return isDue()
  }
  try {
    mkdirSync(runDir, { recursive: true, mode: 0o711 })
    mkdirSync(reservationsDir(runDir), { recursive: true, mode: 0o700 })
    // One of several starts at once sweeps, and the others wait for it.
    for (const { name, found, error } of await sweepRootless(options, log, isWanted))
      if (error === undefined) log.info('removed what an earlier boot left', { name, found })
    // Two that write it at once may forget one range, which is then swept again.
    if (hadTurn) writeFileSync(mark, [boot, ...new Set([...swept(), own])].join('\n'), { mode: 0o600 })
  } catch (error) {
    log.warn('could not look for what an earlier boot left', { error })
  }
}

/** The ranges that were swept in this boot: the lines of the file after the first, which names the boot. */
function sweptIn(mark: string, boot: string): string[] {
  const [of, ...ranges] = readProc(mark)?.split('\n') ?? []
  return of === boot ? ranges : []
}
