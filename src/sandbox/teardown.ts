/**
 * The one teardown: the ledger from disk, run backwards. The shim runs it at the normal end, `shim delete` after a
 * crash, and `kata-ts gc` for whatever nobody else came back for.
 */
import { existsSync, rmSync } from 'node:fs'
import type { Failpoints } from '../ledger/failpoints.ts'
import { Ledger } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mount.ts'
import type { ProcessRef } from '../linux/proc.ts'
import { sessionMembers } from '../linux/session.ts'
import { killAndWait, waitGone } from '../linux/signal.ts'
import type { Logger } from '../log.ts'
import { ownerResource } from './owner.ts'
import type { SandboxPaths } from './paths.ts'
import { resourceKinds } from './resources.ts'

/** How long a tool that the shim left may take, milliseconds: what the shim itself would have given it. */
const toolMs = 30_000

/**
 * Ends the shim if it still lives, releases all that the sandbox holds and removes its state. Safe to repeat; does
 * nothing for a sandbox that is not there.
 *
 * @throws KataError RELEASE_FAILED; what could not be released stays written down.
 */
export async function teardown(paths: SandboxPaths, log: Logger, failpoints?: Failpoints): Promise<void> {
  if (!existsSync(paths.stateDir)) return
  const ledger = openLedger(paths, log, failpoints)
  const owner = ownerOf(ledger)
  if (owner !== undefined && owner.pid !== process.pid) await endShim(owner)
  await ledger.releaseAll()
  unmountBelow(paths.stateDir)
  rmSync(paths.stateDir, { recursive: true, force: true })
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

/** The shim that a sandbox belongs to, if its ledger got as far as naming it. */
export function ownerOf(ledger: Ledger): ProcessRef | undefined {
  return ledger.dataOf(ownerResource)[0]
}

export function openLedger(paths: SandboxPaths, log: Logger, failpoints?: Failpoints): Ledger {
  return new Ledger(paths.ledger, resourceKinds, log, failpoints)
}
