/** In the packet filter of this host, with tables that filter nothing, of users that nobody has. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId } from '../../linux/processes/proc.ts'
import { processesOfUids } from '../../linux/processes/uid-processes.ts'
import { hostTables } from '../../network/uplink/host-rules.ts'
import { reserve } from '../../rootless/identity/reservation.ts'
import { type UidRange, uidBlock } from '../../rootless/identity/uid-range.ts'
import { until } from '../../time.ts'
import { sweepHostRules } from './host-rules-sweep.ts'

const range: UidRange = { base: 0x60000000, blocks: 4 }
const uids = [0, 1, 2].map((k) => uidBlock(range, k).uid)
const [lost, reserved, used] = uids as [number, number, number]
const beyond = uidBlock(range, range.blocks).uid
const nft = (rules: string) => Bun.spawnSync(['nft', rules])

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/rules-`)
  for (const uid of [...uids, beyond]) expect(nft(`add table inet kata-ts-${uid}`).exitCode).toBe(0)
})
afterEach(() => {
  for (const uid of [...uids, beyond]) nft(`delete table inet kata-ts-${uid}`)
  rmSync(runDir, { recursive: true })
})

test('rules go whose user is nobody’s, and stay for one that is reserved, has a process or is of another range', async () => {
  // By a count from another base.
  const holder = { sandbox: 's', token: 't', process: { pid: 1, startTime: '1' }, bootId: bootId() }
  expect(reserve(runDir, 9, { ...holder, first: uidBlock(range, 1).first })).toBe(true)
  const child = Bun.spawn(['setpriv', `--reuid=${used}`, '--clear-groups', 'sleep', '60'])
  try {
    const hasProcess = () => processesOfUids(used, used).length > 0
    expect(await until(hasProcess, { timeoutMs: 5000, everyMs: 5 })).toBe(true)
    expect(await sweepHostRules(runDir, range)).toEqual([{ uid: lost }])
    const left = (await hostTables()).map(({ uid }) => uid)
    expect(left).not.toContain(lost)
    expect(left).toEqual(expect.arrayContaining([reserved, used, beyond]))
  } finally {
    child.kill('SIGKILL')
    await child.exited
  }
  expect(await sweepHostRules(runDir, range)).toEqual([{ uid: used }])
})
