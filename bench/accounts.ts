/**
 * Making users, 1, 10 and 50 at once, in each of the three modes and as the original calls it (`useradd -M NAME` with a
 * drawn name). For each: until the last of them exists, and until the last of them is gone again.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { Ledger } from '../src/ledger/ledger.ts'
import { ownProcess } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { takeIdentity } from '../src/rootless/identity/identity.ts'
import { rootlessKinds } from '../src/rootless/kinds.ts'
import { ms, type Result } from './report.ts'

const modes = ['none', 'userdb', 'useradd', 'plain useradd -M'] as const
type Mode = (typeof modes)[number]
const crowds = [1, 10, 50] as const

interface Timed {
  readonly made: number
  readonly removed: number
  /** How many of those asked for failed. */
  readonly failed: number
}

export async function benchAccounts(measure = measureMode): Promise<Result> {
  const data: Record<string, Timed> = {}
  // The first of each mode fills caches.
  for (const mode of modes) await measure(mode, 1)
  for (const crowd of crowds) for (const mode of modes) data[`${mode} ${crowd}`] = await measure(mode, crowd)
  const cell = (mode: Mode, crowd: number) => {
    const { made, removed, failed } = data[`${mode} ${crowd}`]!
    return `${ms(made)} / ${ms(removed)}${failed > 0 ? `, ${failed} failed` : ''}`
  }
  return {
    name: 'accounts',
    what: 'until the last user exists / until the last is gone, by how many are made at once',
    tables: [
      {
        header: ['account', ...crowds.map((crowd) => `${crowd} at once`)],
        rows: modes.map((mode) => [mode, ...crowds.map((crowd) => cell(mode, crowd))]),
      },
    ],
    notes: [],
    data,
  }
}

const measureMode = (mode: Mode, crowd: number): Promise<Timed> =>
  mode === 'plain useradd -M' ? plain(crowd) : ours(mode, crowd)

/** Lease and account, by the functions that a start uses. */
async function ours(account: Exclude<Mode, 'plain useradd -M'>, crowd: number): Promise<Timed> {
  const runDir = mkdtempSync('/run/kt-b-accounts-')
  const range = { base: 0x7c000000, blocks: 200 }
  const ledgers = Array.from(
    { length: crowd },
    (_, index) => new Ledger(`${runDir}/ledger-${index}`, rootlessKinds as never, silentLogger),
  )
  const owner = ownProcess()
  try {
    return await timed(
      ledgers.map((ledger, index) => ({
        make: () =>
          takeIdentity(
            ledger,
            { runDir, range, sandbox: `bench/${index}`, owner, account, accelerator: 'tcg' },
            silentLogger,
          ),
        remove: () => ledger.releaseAll(),
      })),
    )
  } finally {
    rmSync(runDir, { recursive: true })
  }
}

/** The original's call: a name of 100000, five tries, an id of the ordinary range. */
function plain(crowd: number): Promise<Timed> {
  const run = async (...argv: string[]) => {
    const code = await Bun.spawn(argv, { stdio: ['ignore', 'ignore', 'ignore'] }).exited
    if (code !== 0) throw new Error(`${argv[0]} ended with ${code}`)
  }
  return timed(
    Array.from({ length: crowd }, (_, index) => {
      const name = `kata-bench-${index}`
      return {
        make: () => run('useradd', '-M', '-s', '/usr/sbin/nologin', name),
        remove: () => run('userdel', '-f', name),
      }
    }),
  )
}

async function timed(
  users: readonly { make(): Promise<unknown>; remove(): Promise<unknown> }[],
): Promise<Timed> {
  const begun = performance.now()
  const made = await Promise.allSettled(users.map(({ make }) => make()))
  const between = performance.now()
  await Promise.allSettled(users.map(({ remove }) => remove()))
  const failed = made.filter(({ status }) => status === 'rejected').length
  return { made: between - begun, removed: performance.now() - between, failed }
}
