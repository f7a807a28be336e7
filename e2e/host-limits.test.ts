/** What the host bounds a sandbox by, whatever its processes are up to. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { capabilityMask } from '../src/linux/processes/capabilities.ts'
import { descriptorRights } from '../src/linux/processes/descriptor-limit.ts'
import { readOomScore, writeOomScore } from '../src/linux/processes/oom-score.ts'
import { readProc, readStatus } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { baseSyscalls, directorySyscalls } from '../src/rootless/filters/base-syscalls.ts'
import { launch } from '../src/rootless/jail/jail.ts'
import { readFacts } from '../src/sandbox/records/facts.ts'
import { sandboxPaths } from '../src/sandbox/records/paths.ts'
import { memoryBound } from '../src/sandbox/size/memory-bound.ts'
import { mostDescriptors } from '../src/sharing/virtiofsd/command.ts'
import { cgroupAttacks, directoryAttacks } from './attack/bound-attacks.ts'
import {
  compileAttacker,
  type OwnedSandbox,
  parse,
  runActs,
  runAsRoot,
  Stage,
  takeSandbox,
} from './attack/stage.ts'
import { ownDirectory } from './harness/directories.ts'
import { Kata, scratch } from './harness/kata.ts'
import { memoryCgroup, memoryHierarchy, noMemory } from './harness/memory-cgroup.ts'
import { slow } from './harness/time.ts'
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
      id: 'oom',
      dir: dir.path,
      runDir: kata.runDir,
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

describe.skipIf(memoryHierarchy === undefined)(`memory of the host${noMemory}`, () => {
  const limitOf = (pid: number) => Number(readProc(`${memoryCgroup(pid)}/${memoryHierarchy!.limitFile}`))

  test('a machine that grows may have more before it does', async () => {
    using dir = scratch()
    const pod = await Pod.start({ id: 'grows', dir: dir.path, runDir: kata.runDir })
    try {
      const facts = readFacts(sandboxPaths(kata.runDir, 'k8s.io', 'grows').facts)!
      const { shimPid, vmmPid, memoryMiB } = facts
      // A shim of root's may have raised its own limit, which this process has not.
      const { hard } = descriptorRights({ limits: readProc(`/proc/${shimPid}/limits`) })
      const bound = (machineMiB: number) => memoryBound(machineMiB, 2 * Math.min(hard, mostDescriptors))
      expect(limitOf(vmmPid)).toBe(bound(memoryMiB))
      await pod.add('one', { linux: { resources: { memory: { limit: 512 * 1024 ** 2 } } } })
      expect(limitOf(vmmPid)).toBe(bound(memoryMiB + 512))
    } finally {
      await pod.stop()
    }
  })

  describe('with the user of a live VMM, in its cgroup, an attacker fails to', () => {
    let live: { vmmPid: number; uid: number; groups: readonly number[] }
    let stage: Stage
    beforeAll(async () => {
      const flags = ['--name', 'bounded', '--machine-memory', '128M']
      expect((await kata.call(['run', '-d', ...flags, '--', 'sleep', '600'])).code).toBe(0)
      live = (await kata.inspect('bounded')).sandbox
      stage = await Stage.open()
    }, slow(60_000))
    afterAll(async () => {
      await stage?.[Symbol.asyncDispose]()
      await kata.call(['rm', '-f', 'bounded'])
    }, slow(60_000))

    test.each(cgroupAttacks)('%s', async (_, act, inPlace, byRoot) => {
      const enter = ['sh', '-c', `echo $$ >'${memoryCgroup(live.vmmPid)}/cgroup.procs' && exec "$@"`, 'sh']
      const user = ['setpriv', '--reuid', `${live.uid}`, '--regid', `${live.uid}`, '--clear-groups']
      const attacked = runActs([...enter, ...user, stage.attacker], [act]).get(act)
      expect({ attacked, root: runAsRoot(stage.attacker, [act]).get(act) }).toEqual({
        attacked: inPlace,
        root: byRoot,
      })
      expect((await kata.call(['exec', 'bounded', '--', 'true'])).code).toBe(0)
    })
  })
})

describe('in a jail that shows its private directory, an attacker fails to', () => {
  const hostDir = ownDirectory('/run/kt-limits-')
  let owned: OwnedSandbox
  let attacker: string
  beforeAll(async () => {
    const stateDir = ownDirectory('/var/lib/kt-limits-')
    attacker = compileAttacker(stateDir)
    owned = await takeSandbox(stateDir, 'bounded', true)
  })
  afterAll(async () => {
    await owned.ledger.releaseAll()
    for (const path of [hostDir, dirname(attacker)]) rmSync(path, { recursive: true })
  })

  test.each(directoryAttacks)('%s', async (_, act, inPlace, byRoot) => {
    const { identity, privateDir, stateDir } = owned
    const path = `${stateDir}/output`
    const output = openSync(path, 'a')
    const [jailed, outside] = ['/sockets', hostDir].map((dir) => act.replace('{dir}', dir))
    const paths = [{ source: privateDir, target: '/sockets', access: 'read-write' }] as const
    const syscalls = { allowed: [...baseSyscalls, ...directorySyscalls] }
    const spec = { program: attacker, args: [jailed!], identity, paths, syscalls, fds: [], output, stateDir }
    const { exited } = await launch(spec, silentLogger, { timeoutMs: slow(20_000) })
    await exited
    closeSync(output)
    expect([
      parse(readFileSync(path, 'utf8')).get(jailed!),
      runAsRoot(attacker, [outside!]).get(outside!),
    ]).toEqual([inPlace, byRoot])
  })
})
