/**
 * The one teardown: the ledger from disk, run backwards. The shim runs it at the normal end, `shim delete` after a
 * crash, and `kata-ts gc` for every sandbox that is left.
 */
import { KataError } from '../../errors.ts'
import type { Failpoints } from '../../ledger/failpoints.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import { unmountBelow } from '../../linux/mounts/mount.ts'
import { isAlive, isThisProcess, type ProcessRef } from '../../linux/processes/proc.ts'
import { sessionMembers } from '../../linux/processes/session.ts'
import { killAndWait, waitGone } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { ownerResource } from '../records/owner.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { machineDir, removeDanglingName, removeState } from '../records/state-dir.ts'
import { resourceKinds } from './resource-kinds.ts'
import { tellShimDeath } from './shim-death.ts'

/** How long a tool that the shim left may take, milliseconds: what the shim itself would have given it. */
const toolMs = 30_000

/**
 * How long another process that tears the same sandbox down is waited for, milliseconds: what its slowest steps may take, a large
 * machine's end, the lock of /etc/passwd and a cgroup that empties slowly.
 */
const turnMs = 75_000

/**
 * Ends the shim if it still lives, releases all that the sandbox holds and removes its state. Safe to repeat, also at the same
 * time: one works, and the others wait for it. Does nothing for a sandbox that is not there. `isWanted` is asked once it is this one's turn: a
 * start may have taken the name meanwhile.
 *
 * @throws KataError RELEASE_FAILED; what could not be released stays written down. TEARDOWN_BUSY. PROCESS_ELSEWHERE, and nothing is released.
 */
export async function teardown(
  paths: SandboxPaths,
  log: Logger,
  failpoints?: Failpoints,
  isWanted: () => boolean = () => true,
): Promise<void> {
  const outcome = await underDirectoryLock(paths.stateDir, turnMs, async () => {
    if (isWanted()) await tearDown(paths, log, failpoints)
  })
  if (outcome === 'gone') removeDanglingName(paths)
  if (outcome === 'busy')
    throw new KataError('TEARDOWN_BUSY', { path: paths.stateDir, seconds: turnMs / 1000 })
}

async function tearDown(paths: SandboxPaths, log: Logger, failpoints?: Failpoints): Promise<void> {
  const owner = ownerOf(openLedger(paths, log))
  if (owner !== undefined && !isThisProcess(owner)) {
    tellShimDeath(paths, owner, log)
    await endShim(owner)
  }
  // Not before: until its end the shim takes what a start takes, and writes it down.
  await openLedger(paths, log, failpoints).releaseAll()
  unmountBelow(machineDir(paths))
  removeState(paths)
}

/**
 * Ends the shim and waits for what it had started: an account tool that waits for the lock of /etc/passwd would else
 * make its account after the ledger has released it.
 */
async function endShim(shim: ProcessRef): Promise<void> {
  await killAndWait(shim)
  for (const ref of sessionMembers(shim)) {
    if (!(await waitGone(ref, toolMs))) await killAndWait(ref)
  }
}

/** Kinds that do not count as use of the host: numbers, names and empty directories. No process of the sandbox is behind them. */
const bookkeeping: ReadonlySet<string> = new Set([
  ...['owner', 'uid-lease', 'account', 'private-dir'],
  ...['cgroups', 'tree', 'directory', 'huge-pages'],
])

/**
 * What the sandbox still uses of the host, by kind: its processes, and what they could have open. While anything is
 * left, no other sandbox may get its files and devices.
 */
export function stillUsed(paths: SandboxPaths, log: Logger): string[] {
  const ledger = openLedger(paths, log)
  const owner = ownerOf(ledger)
  const shim = owner !== undefined && isAlive(owner) ? ['shim'] : []
  return [...new Set([...shim, ...ledger.held.filter((kind) => !bookkeeping.has(kind))])]
}

/** The shim that a sandbox belongs to, if its ledger got as far as naming it. */
export function ownerOf(ledger: Ledger): ProcessRef | undefined {
  return ledger.dataOf(ownerResource)[0]
}

export function openLedger(paths: SandboxPaths, log: Logger, failpoints?: Failpoints): Ledger {
  return new Ledger(paths.ledger, resourceKinds, log, failpoints)
}
