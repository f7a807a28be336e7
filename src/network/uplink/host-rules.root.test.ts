/** In the packet filter of this host, for users that nobody is. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Ledger } from '../../ledger/ledger.ts'
import { findTool } from '../../linux/processes/which.ts'
import { closeHost, hostTables } from './host-rules.ts'
import { testLedger } from './testing.ts'

const uid = 2_067_000_040
const tables = async () =>
  (await hostTables()).filter((found) => found.uid === uid).map(({ table }) => table.split('-').at(-1))

describe.skipIf(process.getuid?.() !== 0 || findTool('nft') === undefined)('rules of a network', () => {
  let directory: string
  let ledger: Ledger
  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/rules-`)
    ledger = testLedger(directory)
  })
  afterEach(async () => {
    await ledger.releaseAll()
    rmSync(directory, { recursive: true })
  })

  test('are those of one lease: what is left of an earlier one takes none from who has the user now', async () => {
    mkdirSync(`${directory}/former`)
    const former = testLedger(`${directory}/former`)
    await closeHost(former, { uid, token: '0aaaaaaa-1' }, undefined)
    await closeHost(ledger, { uid, token: '0bbbbbbb-2' }, undefined)
    expect((await tables()).sort()).toEqual(['0aaaaaaa', '0bbbbbbb'])
    await former.releaseAll()
    expect(await tables()).toEqual(['0bbbbbbb'])
  })
})
