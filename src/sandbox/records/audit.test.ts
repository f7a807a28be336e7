import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { processRef } from '../../linux/processes/proc.ts'
import { pastaPosture, resolverPosture } from '../../network/uplink/pasta.ts'
import { recordPosture } from '../../rootless/posture/posture-record.ts'
import { auditRecords } from './audit.ts'

test('who is in the host’s network has its rules in the packet filter, and others need none', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/audit-`)
  const [uid, ref] = [1_867_000_050, processRef(process.pid)!]
  const rulesFor = async (...users: number[]) =>
    (await auditRecords(stateDir, async () => users)).map(({ name, rows }) => [
      name,
      ...rows.filter(({ field }) => field === 'host rules').map(({ expected, actual }) => [expected, actual]),
    ])
  try {
    recordPosture(stateDir, { name: 'pasta', ref, expected: pastaPosture(uid, []) })
    recordPosture(stateDir, { name: 'resolver', ref, expected: resolverPosture(uid) })
    expect(await rulesFor(uid)).toEqual([['pasta', ['there', 'there']], ['resolver']])
    expect(await rulesFor(uid + 1)).toEqual([['pasta', ['there', 'gone']], ['resolver']])
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})
