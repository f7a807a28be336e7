/** Finds the rules of the packet filter that a network left whose ledger is lost: a run directory that was removed by hand, for one. */
import { describeError } from '../../errors.ts'
import { processesOfUids } from '../../linux/processes/uid-processes.ts'
import { hostTables, removeHostTable } from '../../network/uplink/host-rules.ts'
import { heldIds, reservedBlocks } from '../../rootless/identity/reservation.ts'
import { blockOfUid, type UidRange } from '../../rootless/identity/uid-range.ts'

/** Rules that were removed, or were not for the reason in `failure`. */
export interface SweptRules {
  readonly uid: number
  readonly failure?: string
}

/** Removes those of users of `range` that nobody has reserved in `runDir` and who have no process. */
export async function sweepHostRules(runDir: string, range: UidRange): Promise<SweptRules[]> {
  // Read before the reservations: who makes rules has reserved the user first.
  const candidates = await hostTables()
  const reserved = new Set(reservedBlocks(runDir))
  const ids = heldIds(runDir)
  const swept: SweptRules[] = []
  for (const { uid, table } of candidates) {
    const block = blockOfUid(range, uid)
    if (block === undefined || reserved.has(block.k) || ids.has(block.first)) continue
    if (processesOfUids(uid, uid).length > 0) continue
    const failure = await removeHostTable(table).then(() => undefined, describeError)
    swept.push({ uid, ...(failure === undefined ? {} : { failure }) })
  }
  return swept
}
