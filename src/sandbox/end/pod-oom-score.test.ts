import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readOomScore } from '../../linux/processes/oom-score.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { somePosture } from '../../rootless/posture/posture.double.ts'
import { readPostureRecords, recordPosture } from '../../rootless/posture/posture-record.ts'
import { oomScoreOf, PodOomScore } from './pod-oom-score.ts'

const spec = (oomScoreAdj: number): OciSpec => ({ process: { oomScoreAdj } })
const pause: OciSpec = {
  ...spec(-998),
  annotations: { 'io.kubernetes.cri.container-type': 'sandbox' },
}

test.each<[string, OciSpec, number | undefined]>([
  ['best effort', spec(1000), 1000],
  ['burstable', spec(936), 936],
  ['guaranteed', spec(-997), -997],
  ['one that says nothing', {}, 0],
  ['one that would outlive its shim', spec(-1000), -997],
  ['what the kernel does not take', spec(5000), 1000],
  ['zero', spec(0), 0],
  ["a pod's own container", pause, undefined],
])('%s', (_, container, score) => {
  expect(oomScoreOf(container)).toBe(score)
})

describe('a pod', () => {
  let stateDir: string
  let process: Bun.Subprocess
  let pod: PodOomScore
  beforeEach(() => {
    stateDir = mkdtempSync(`${tmpdir()}/oom-`)
    process = Bun.spawn(['sleep', '1000'])
    recordPosture(stateDir, { name: 'vmm', ref: processRef(process.pid)!, expected: somePosture() })
    pod = new PodOomScore(stateDir, silentLogger)
  })
  afterEach(async () => {
    process.kill()
    await process.exited
    rmSync(stateDir, { recursive: true })
  })
  const now = () => [
    readOomScore(process.pid),
    readPostureRecords(stateDir).find(({ name }) => name === 'vmm')!.expected.oomScoreAdj,
  ]

  test('has the least of its containers, and what it began with once they are gone', () => {
    pod.add('pod', pause)
    expect(now()).toEqual([readOomScore('self'), undefined])
    pod.add('one', spec(900))
    expect(now()).toEqual([900, 900])
    pod.add('other', spec(500))
    expect(now()).toEqual([500, 500])
    pod.remove('other')
    expect(now()).toEqual([900, 900])
    pod.remove('one')
    expect(now()).toEqual([0, 0])
  })

  test('a process that has ended keeps no other from its value', async () => {
    const gone = Bun.spawn(['true'])
    await gone.exited
    recordPosture(stateDir, {
      name: 'a',
      ref: { pid: gone.pid, startTime: '1' },
      expected: somePosture(),
    })
    pod.add('one', spec(900))
    expect(now()).toEqual([900, 900])
  })

  test('a process that comes later gets it, too', async () => {
    pod.add('one', spec(900))
    const late = Bun.spawn(['sleep', '1000'])
    const record = { name: 'late', ref: processRef(late.pid)!, expected: somePosture() }
    recordPosture(stateDir, record)
    pod.spread()
    expect(readOomScore(late.pid)).toBe(900)
    expect(readPostureRecords(stateDir)[0]!.expected.oomScoreAdj).toBe(900)
    late.kill()
    await late.exited
  })
})
