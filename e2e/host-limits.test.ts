/** What the host bounds a sandbox by, whatever its processes are up to. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { capabilityMask } from '../src/linux/capabilities.ts'
import { readOomScore, writeOomScore } from '../src/linux/oom-score.ts'
import { readStatus } from '../src/linux/proc.ts'
import { readFacts } from '../src/sandbox/facts.ts'
import { sandboxPaths } from '../src/sandbox/paths.ts'
import { Kata, scratch } from './harness/kata.ts'
import { Pod } from './world/pod.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

const effective = BigInt(`0x${readStatus('/proc/self/status')!.get('CapEff')}`)
const mayLower = (effective & capabilityMask(['sys_resource'])) !== 0n

describe('when the host runs out of memory', () => {
  test('a pod goes by the quality of service of its containers, before its shim and before whoever started it', async () => {
    using dir = scratch()
    const before = readOomScore('self')!
    // What all of them would have if nobody set it.
    writeOomScore('self', 321)
    const pod = await Pod.start({
      ...{ id: 'oom', dir: dir.path, runDir: kata.runDir },
      sandbox: { process: { oomScoreAdj: -998 } },
    }).finally(() => writeOomScore('self', before))
    try {
      const { shimPid, vmmPid, virtiofsdPids } = readFacts(sandboxPaths(kata.runDir, 'k8s.io', 'oom').facts)!
      const scores = () => [...new Set([vmmPid, ...virtiofsdPids].map(readOomScore))]
      expect(readOomScore(shimPid)).toBe(mayLower ? -998 : 0)
      expect(scores()).toEqual([0])
      await pod.add('best-effort', { process: { oomScoreAdj: 1000 } })
      expect(scores()).toEqual([1000])
      await pod.add('burstable', { process: { oomScoreAdj: 936 } })
      expect(scores()).toEqual([936])
      const audit = await kata.call(['audit', 'k8s.io/oom'])
      expect({ code: audit.code, stderr: audit.stderr }).toEqual({ code: 0, stderr: '' })
      await pod.remove('burstable')
      expect(scores()).toEqual([1000])
    } finally {
      await pod.stop()
    }
  })
})
