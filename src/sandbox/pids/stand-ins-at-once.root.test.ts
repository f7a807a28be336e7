import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { builtInConfig } from '../../config/load.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { isAlive, processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { sleep } from '../../time.ts'
import { jailedStandIns } from './stand-ins.ts'

const uid = 0x6f000000 + 5 * 65536 - 1
let stateDir: string
let ledger: Ledger

beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/stand-ins-`)
  ledger = new Ledger(`${stateDir}/ledger.jsonl`, [processResource], silentLogger)
})
afterEach(async () => {
  await ledger.releaseAll()
  rmSync(stateDir, { recursive: true })
})

test('stand-ins of containers that start at once are processes of their own, and end one by one', async () => {
  const { hypervisor } = builtInConfig()
  let started = 0
  const standIns = jailedStandIns(
    ledger,
    {
      identity: { name: 'kata-9', uid, gid: uid, groups: [] },
      stateDir,
      log: silentLogger,
      config: { hypervisor: { ...hypervisor, landlock: 'best-effort' } },
      signal: new AbortController().signal,
    },
    () => started++,
  )
  // Each comes while the one before it is still making its jail.
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const starting = ids.map(async (id, index) => {
    await sleep(index * 8)
    return (await standIns.start(id)).pid
  })
  const pids = await Promise.all(starting)
  expect(new Set(pids).size).toBe(ids.length)
  expect(started).toBe(ids.length)
  const [a, b, c] = pids.map((pid) => processRef(pid)!)
  await standIns.end('b')
  expect([a!, b!, c!].map(isAlive)).toEqual([true, false, true])
  await standIns.end('never')
  for (const id of ids) await standIns.end(id)
  expect(ledger.held).toEqual([])
}, 60_000)
