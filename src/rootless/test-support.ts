/** What the tests of this room share: a range of ids far from the default one, and scratch directories. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { processRef } from '../linux/processes/proc.ts'
import { silentLogger } from '../log.ts'
import type { LeaseOptions } from './identity/lease.ts'
import { rootlessKinds } from './kinds.ts'

/** Away from the default base, so that tests never meet a running sandbox. */
export const testRange = { base: 0x7f000000, blocks: 64 } as const

/** A scratch directory with a ledger and everything {@link takeLease} needs. */
export function scratch(sandbox = 'test'): { directory: string; ledger: Ledger; options: LeaseOptions } {
  const directory = mkdtempSync(`${tmpdir()}/rootless-`)
  const options = {
    runDir: `${directory}/run`,
    userDir: `${directory}/user`,
    range: testRange,
    sandbox,
    owner: processRef(process.pid)!,
  }
  return { directory, ledger: openLedger(directory), options }
}

/** The ledger of a scratch directory, as a later process would open it. */
export function openLedger(directory: string): Ledger {
  return new Ledger(`${directory}/ledger.jsonl`, rootlessKinds, silentLogger)
}

/** A process of `uid` that sleeps until it is killed. */
export function sleeperAs(uid: number): Bun.Subprocess {
  const ids = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
  return Bun.spawn(['/usr/bin/setpriv', ...ids, '/usr/bin/sleep', '1000'], {
    stdio: ['ignore', 'ignore', 'ignore'],
  })
}
