// test:vmm: qemu
/** containerd 2's pods that the shim makes (`sandboxer = "shim"`), in machines that waited for them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { silentLogger } from '../../src/log.ts'
import { PodSandboxState } from '../../src/protocol/generated/cri/runtime.ts'
import { listPool } from '../../src/sandbox/pool/pool.ts'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, poolName, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { executable } from '../harness/executable.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, Kata, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import { containerd2, hasContainerd2, noContainerd2 } from './containerd-2.ts'

/** containerd 2.1.9 starts no containers of a handler with a configuration file of its own (docs/how-to/containerd-2.md). */
const installed = '/etc/kata-ts/configuration.toml'
const isSomebodys = existsSync(dirname(installed))
const skipped = isSomebodys ? ` (skipped: ${dirname(installed)} belongs to this host)` : noContainerd2
const runs = hasContainerd2 && !isSomebodys

const bound = 2
const memory = 'io.katacontainers.config.hypervisor.default_memory'
const files = scratch()
const templates = `${files.path}/templates`
const pressure = `${files.path}/pressure`
const kata = new Kata()
let before: HostState
let containerd: Containerd
let server: Bun.Subprocess

beforeAll(async () => {
  if (!runs) return
  mkdirSync(dirname(installed))
  writeFileSync(
    installed,
    configuration(`[hypervisor.qemu]
rootless = true
default_memory = 256
enable_annotations = ["default_memory"]
[factory]
enable_template = true
template_path = "${templates}"
vm_cache_number = ${bound}
`),
  )
  expect(await kata.call(['factory', 'init', '--config', installed])).toMatchObject({ code: 0, stderr: '' })
  containerd = await Containerd.start({ programs: containerd2, handlers: { pooled: { sandboxer: 'shim' } } })
  // The bridge and the cgroup of all pods come with the first.
  await (await containerd.cri.runPod({ handler: 'pooled' })).remove()
  before = hostState(defaultRunDir)
  mkdirSync(pressure)
  // An idle host, whatever else runs on this one.
  for (const name of ['cpu', 'memory'])
    writeFileSync(`${pressure}/${name}`, 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')
  server = Bun.spawn([executable, 'factory', 'serve', '--config', installed], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
    env: { PATH: process.env.PATH ?? '', KATA_TS_PRESSURE_DIR: pressure },
  })
}, slow(240_000))
afterAll(async () => {
  if (runs) {
    server?.kill('SIGTERM')
    await server?.exited
    await containerd?.close()
    await kata.call(['factory', 'destroy', '--config', installed])
    rmSync(dirname(installed), { recursive: true })
  }
  await kata.close()
  files[Symbol.dispose]()
}, slow(120_000))

const factsOf = (id: string) => readFacts(sandboxPaths(defaultRunDir, 'k8s.io', id).facts)!
const waiting = () => listPool(defaultRunDir, silentLogger).filter(({ state }) => state === 'waiting')
const filled = async () => {
  await eventually('a full pool', () => waiting().length === bound || undefined, slow(60_000))
  return waiting().map(({ id }) => id)
}
const runPod = (annotations: Readonly<Record<string, string>> = {}) =>
  containerd.cri.runPod({ handler: 'pooled', annotations })
/** Of pods; machines that wait are there all the time. */
const expectMachinesGone = async (used: readonly string[]) => {
  const names = () => readdirSync(`${defaultRunDir}/${poolName}`).filter((id) => used.includes(id))
  await eventually('their machines to go', () => names().length === 0 || undefined)
  expect(names()).toEqual([])
}

describe.skipIf(!runs)(`a pod that the shim makes${skipped}`, () => {
  test(
    'takes a machine that waits, which no other pod has, with an address, a name and containers as any',
    async () => {
      const ids = await filled()
      const [first, second] = await Promise.all([runPod(), runPod()])
      const facts = [first, second].map(({ id }) => factsOf(id))
      expect(facts.map(({ waited }) => waited).sort()).toEqual(ids.sort())
      expect(new Set(facts.map(({ uid }) => uid)).size).toBe(2)
      const boots: string[] = []
      for (const pod of [first, second]) {
        const container = await pod.start(['sleep', '600'])
        const say = async (...command: string[]) => (await pod.exec(container, command)).stdout.trim()
        expect(await say('ip', 'addr', 'show', 'eth0')).toContain(`inet ${await pod.address()}/`)
        expect(await say('hostname')).toBe(pod.config.hostname)
        boots.push(await say('cat', '/proc/sys/kernel/random/boot_id'))
      }
      expect(new Set(boots).size).toBe(2)
      await filled()
      expect(waiting().filter(({ id }) => ids.includes(id))).toEqual([])
      await Promise.all([first, second].map((pod) => pod.remove()))
      await expectMachinesGone(ids)
    },
    slow(240_000),
  )

  test(
    'whose annotations ask for another machine has the one that waited released, says so, and starts',
    async () => {
      const ids = await filled()
      const pod = await runPod({ [memory]: '300' })
      expect(factsOf(pod.id)).toMatchObject({ memoryMiB: 300 })
      expect(factsOf(pod.id).waited).toBeUndefined()
      expect(containerd.log()).toContain('the configuration of the pod is another')
      expect(containerd.log()).toContain('POOL_UNUSABLE')
      const released = ids.filter((id) => !waiting().some((entry) => entry.id === id))
      expect(released).toHaveLength(1)
      await expectMachinesGone(released)
      const container = await pod.start(['sleep', '600'])
      expect((await pod.exec(container, ['echo', 'here'])).stdout).toBe('here\n')
      await pod.remove()
    },
    slow(240_000),
  )

  test(
    'that may not start, or whose shim is killed, leaves nothing of its machine',
    async () => {
      const ids = await filled()
      const failure = await runPod({ [memory]: 'much' }).catch((error: Error) => error)
      expect(`${failure}`).toContain('default_memory')
      const taken = () => ids.filter((id) => !waiting().some((entry) => entry.id === id))
      await eventually('a machine to be taken', () => taken().length === 1 || undefined)
      await expectMachinesGone(taken())

      await filled()
      const pod = await runPod()
      const { waited, shimPid } = factsOf(pod.id)
      expect(waited).toMatch(/^[0-9a-f]{8}$/)
      process.kill(shimPid, 'SIGKILL')
      await eventually('containerd to notice', async () => {
        const status = await containerd.cri.calls
          .podSandboxStatus({ podSandboxId: pod.id })
          .catch(() => undefined)
        return status?.status?.state === PodSandboxState.SANDBOX_NOTREADY || undefined
      })
      await pod.remove()
      await expectMachinesGone([waited!])
    },
    slow(240_000),
  )

  test(
    'and nothing of any is left once the pool has ended, too',
    async () => {
      server.kill('SIGTERM')
      expect(await server.exited).toBe(0)
      await expectNothingLeft(before, defaultRunDir)
    },
    slow(120_000),
  )
})
