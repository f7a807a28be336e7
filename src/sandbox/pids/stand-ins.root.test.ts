import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { readPostureRecords } from '../../rootless/posture/posture-record.ts'
import { until } from '../../time.ts'
import { auditRecords } from '../records/audit.ts'
import { jailedStandIns } from './stand-ins.ts'

/** Of no other test. */
const uid = 0x6f000000 + 65_533
let stateDir: string
let ledger: Ledger
let spreads: number
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/stand-ins-`)
  ledger = new Ledger(`${stateDir}/ledger.jsonl`, [processResource], silentLogger)
  spreads = 0
})
afterEach(async () => {
  await ledger.releaseAll()
  rmSync(stateDir, { recursive: true })
})

const standIns = () =>
  jailedStandIns(
    ledger,
    {
      identity: { name: 'kata-0', uid, gid: uid, groups: [993] },
      stateDir,
      log: silentLogger,
      config: { hypervisor: { landlock: 'best-effort' } } as never,
      signal: new AbortController().signal,
    },
    () => void spreads++,
  )
const differences = async () =>
  (await auditRecords(stateDir)).flatMap(({ name, rows }) =>
    rows.filter(({ expected, actual }) => expected !== actual).map((row) => ({ name, ...row })),
  )

test('each is a jailed process of the pod’s user in namespaces of its own, as audits find it', async () => {
  const pair = standIns()
  const [one, other] = [await pair.start('a'), await pair.start('b')]
  expect(await differences()).toEqual([])
  expect(readPostureRecords(stateDir).map(({ name }) => name)).toEqual([
    ...['stand-in-1', 'stand-in-1-waiter', 'stand-in-2', 'stand-in-2-waiter'],
  ])
  for (const kind of ['pid', 'net', 'mnt', 'ipc', 'uts']) {
    const [a, b, host] = [one.pid, other.pid, 'self'].map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`))
    expect(new Set([a, b, host]).size).toBe(3)
  }
  expect(spreads).toBe(2)
  expect(ledger.held).toEqual(['process', 'process'])
})

test('one that is ended leaves no process and no record, and the others alone', async () => {
  const pair = standIns()
  const [one, other] = [await pair.start('a'), await pair.start('b')]
  await pair.end('a')
  await pair.end('never started')
  // It has ended, and is there until its waiter has its turn.
  const hasGone = () => !existsSync(`/proc/${one.pid}`)
  expect(await until(hasGone, { timeoutMs: 4000, everyMs: 1, longestMs: 20 })).toBe(true)
  expect(existsSync(`/proc/${other.pid}`)).toBe(true)
  expect(await differences()).toEqual([])
  await pair.end('b')
  expect([readPostureRecords(stateDir), ledger.held]).toEqual([[], []])
  expect(readdirSync(stateDir).sort()).toEqual(['ledger.jsonl', 'postures'])
  // The waiter ends by itself when its program has ended.
  for (let tries = 0; processesOfUid(uid).length > 0 && tries < 200; tries++) await Bun.sleep(20)
  expect(processesOfUid(uid)).toEqual([])
})
