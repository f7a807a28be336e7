/** What the tests of this room share: a range of ids far from the default one, and scratch directories. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { ownProcess, readStatus } from '../linux/processes/proc.ts'
import { killUids } from '../linux/processes/uid-processes.ts'
import { silentLogger } from '../log.ts'
import { until } from '../time.ts'
import type { LeaseOptions } from './identity/lease.ts'
import { readLines, type UidBlock } from './identity/uid-range.ts'
import { rootlessKinds } from './kinds.ts'

/**
 * Below the default range: tests meet no user of a running sandbox, and an account that one of them has left refuses no start
 * (UID_RANGE_OVERLAP). The name of an account is that of its block in either range, so there are many.
 */
export const testRange = { base: 0x60000000, blocks: 3328 } as const

/** A scratch directory with a ledger and everything {@link takeLease} needs. */
export function scratch(sandbox = 'test'): { directory: string; ledger: Ledger; options: LeaseOptions } {
  const directory = mkdtempSync(`${tmpdir()}/rootless-`)
  const options = {
    runDir: `${directory}/run`,
    userDir: `${directory}/user`,
    range: testRange,
    sandbox,
    owner: ownProcess(),
  }
  return { directory, ledger: openLedger(directory), options }
}

/** The ledger of a scratch directory, as a later process would open it. */
export function openLedger(directory: string): Ledger {
  return new Ledger(`${directory}/ledger.jsonl`, rootlessKinds, silentLogger)
}

/** A process that has become `uid` and sleeps until it is killed. */
export async function sleeperAs(uid: number): Promise<Bun.Subprocess> {
  const ids = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
  const child = Bun.spawn(['/usr/bin/setpriv', ...ids, '/usr/bin/sleep', '1000'], {
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  // Until then setpriv has the user's ids and root's capabilities.
  const isUser = () => {
    const status = readStatus(`/proc/${child.pid}/status`)
    return status?.get('Name') === 'sleep' && status.get('Uid')?.split('\t')[0] === `${uid}`
  }
  if (!(await until(isUser, { timeoutMs: 10_000 }))) throw new Error(`no process has become user ${uid}`)
  return child
}

/** Ends the processes of these blocks and removes their accounts, whatever has become of them: a test that failed midway has left them. */
export async function removeUsers(blocks: readonly UidBlock[]): Promise<void> {
  for (const { name, first, uid } of blocks) {
    await killUids(first, uid)
    for (const [file, tool] of [
      ['passwd', 'userdel'],
      ['group', 'groupdel'],
    ])
      if (readLines(`/etc/${file}`).some((line) => line.startsWith(`${name}:x:${uid}:`)))
        Bun.spawnSync([`/usr/sbin/${tool}`, '-f', name])
  }
}
