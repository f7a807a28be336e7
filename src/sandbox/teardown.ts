/**
 * The one teardown: the ledger from disk, run backwards. The shim runs it at the normal end, `shim delete` after a
 * crash, and `kata-ts gc` for whatever nobody else came back for.
 */
import { existsSync, rmSync } from 'node:fs'
import { Ledger } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mount.ts'
import type { ProcessRef } from '../linux/proc.ts'
import { killAndWait } from '../linux/signal.ts'
import type { Logger } from '../log.ts'
import { ownerResource } from './owner.ts'
import type { SandboxPaths } from './paths.ts'
import { resourceKinds } from './resources.ts'

/**
 * Ends the shim if it still lives, releases all that the sandbox holds and removes its state. Safe to repeat; does
 * nothing for a sandbox that is not there.
 *
 * @throws KataError RELEASE_FAILED; what could not be released stays written down.
 */
export async function teardown(paths: SandboxPaths, log: Logger): Promise<void> {
  if (!existsSync(paths.stateDir)) return
  const ledger = openLedger(paths, log)
  const owner = ownerOf(ledger)
  if (owner !== undefined && owner.pid !== process.pid) await killAndWait(owner)
  await ledger.releaseAll()
  unmountBelow(paths.stateDir)
  rmSync(paths.stateDir, { recursive: true, force: true })
}

/** The shim that a sandbox belongs to, if its ledger got as far as naming it. */
export function ownerOf(ledger: Ledger): ProcessRef | undefined {
  return ledger.dataOf(ownerResource)[0]
}

export function openLedger(paths: SandboxPaths, log: Logger): Ledger {
  return new Ledger(paths.ledger, resourceKinds, log)
}
