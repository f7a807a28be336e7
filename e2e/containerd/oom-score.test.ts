// test:vmm: every VMM
/** The order in which a kubelet wants processes to be killed when memory runs out: in the guest, and on the host for the machine. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { readOomScore } from '../../src/linux/processes/oom-score.ts'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import { ownPids, type Pod } from './cri.ts'

setDefaultTimeout(slow(90_000))

let before: HostState
let containerd: Containerd
let pod: Pod
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
  pod = await containerd.cri.runPod()
}, slow(120_000))
afterAll(async () => {
  await containerd?.close()
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

const start = (oomScoreAdj: bigint) =>
  pod.start(['sh', '-c', 'exec sleep 1000'], {
    linux: { resources: { oomScoreAdj }, securityContext: ownPids },
  })
const inGuest = async (id: string, file: string) => Number((await pod.exec(id, ['cat', file])).stdout)
const facts = () => readFacts(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts)!
/** Of the VMM and of what serves its files. */
const onHost = () => {
  const { vmmPid, virtiofsdPids = [] } = facts()
  return [...new Set([vmmPid, ...virtiofsdPids].map(readOomScore))]
}

test('each container has its own in the guest, and the machine the least of them on the host', async () => {
  const bestEffort = await start(1000n)
  expect(await inGuest(bestEffort, '/proc/1/oom_score_adj')).toBe(1000)
  expect(await inGuest(bestEffort, '/proc/self/oom_score_adj')).toBe(1000)
  expect(onHost()).toEqual([1000])
  const burstable = await start(936n)
  expect(await inGuest(burstable, '/proc/1/oom_score_adj')).toBe(936)
  expect(await inGuest(bestEffort, '/proc/1/oom_score_adj')).toBe(1000)
  expect(onHost()).toEqual([936])
  await containerd.cri.calls.stopContainer({ containerId: burstable, timeout: 0n })
  await containerd.cri.calls.removeContainer({ containerId: burstable })
  expect(onHost()).toEqual([1000])
})

test('the machine is never harder to kill than its shim, whatever a container asks for', async () => {
  // containerd's own is the least that it passes on here.
  await start(-999n)
  for (const score of onHost()) expect(score).toBeGreaterThanOrEqual(readOomScore(facts().shimPid)!)
})
