// test:vmm: qemu
/** Pods of containerd as clones of a template, and in machines that waited for them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { silentLogger } from '../../src/log.ts'
import { listPool } from '../../src/sandbox/pool/pool.ts'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { executable } from '../harness/executable.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, Kata, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'

const files = scratch()
const config = `${files.path}/configuration.toml`
const pooled = `${files.path}/pooled.toml`
const templates = `${files.path}/templates`
const kata = new Kata()
let before: HostState
let containerd: Containerd

beforeAll(async () => {
  const text = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\n[factory]\nenable_template = true\n`
  writeFileSync(config, configuration(`${text}template_path = "${templates}"\n`))
  writeFileSync(pooled, configuration(`${text}template_path = "${templates}"\nvm_cache_number = 1\n`))
  expect(await kata.call(['factory', 'init', '--config', config])).toMatchObject({ code: 0, stderr: '' })
  containerd = await Containerd.start({
    handlers: { clones: { configPath: config }, pooled: { configPath: pooled } },
  })
  // The bridge and the cgroup of all pods come with the first.
  await (await containerd.cri.runPod({ handler: 'clones' })).remove()
  before = hostState(defaultRunDir)
}, slow(180_000))
afterAll(async () => {
  await containerd.close()
  await kata.call(['factory', 'destroy', '--config', config])
  await kata.close()
  files[Symbol.dispose]()
})

const factsOf = (id: string) => readFacts(sandboxPaths(defaultRunDir, 'k8s.io', id).facts)!

test(
  'pods are clones with users, addresses and processes of their own; one with limits grows',
  async () => {
    const pods = await Promise.all([1, 2].map(() => containerd.cri.runPod({ handler: 'clones' })))
    const [first, second] = pods as [(typeof pods)[0], (typeof pods)[0]]
    const facts = pods.map(({ id }) => factsOf(id))
    for (const { template, memoryMiB } of facts)
      expect({ template, memoryMiB }).toEqual({ template: readdirSync(templates)[0]!, memoryMiB: 256 })
    expect(new Set(facts.map(({ uid }) => uid)).size).toBe(2)
    const large = { linux: { resources: { memoryLimitInBytes: 512n << 20n } } }
    const container = await first.start(['sleep', '600'], large)
    const other = await second.start(['sleep', '600'])
    const memory = await first.exec(container, ['grep', 'MemTotal', '/proc/meminfo'])
    expect(Number(memory.stdout.replace(/\D/g, ''))).toBeGreaterThan(600 * 1024)
    const address = await second.address()
    const seen = await second.exec(other, ['ip', 'addr', 'show', 'eth0'])
    expect(seen.stdout).toContain(`inet ${address}/`)
    expect(await first.address()).not.toBe(address)
    await Promise.all(pods.map((pod) => pod.remove()))
    await expectNothingLeft(before, defaultRunDir)
  },
  slow(180_000),
)

test(
  'a pod takes a machine that waits, with an address, volumes and events as any',
  async () => {
    const pressure = `${files.path}/pressure`
    mkdirSync(pressure)
    for (const name of ['cpu', 'memory'])
      writeFileSync(`${pressure}/${name}`, 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')
    const server = Bun.spawn([executable, 'factory', 'serve', '--config', pooled], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
      env: { PATH: process.env.PATH ?? '', KATA_TS_PRESSURE_DIR: pressure },
    })
    try {
      const waiting = () => listPool(defaultRunDir, silentLogger).find(({ state }) => state === 'waiting')
      const { id: waited } = await eventually('a machine that waits', waiting)
      const pod = await containerd.cri.runPod({ handler: 'pooled' })
      expect(factsOf(pod.id)).toMatchObject({ waited, template: readdirSync(templates)[0]!, memoryMiB: 256 })
      const container = await pod.start(['sleep', '600'])
      const seen = await pod.exec(container, ['ip', 'addr', 'show', 'eth0'])
      expect(seen.stdout).toContain(`inet ${await pod.address()}/`)
      expect((await pod.exec(container, ['hostname'])).stdout.trim()).toBe(pod.config.hostname)
      await pod.remove()
    } finally {
      server.kill('SIGTERM')
      await server.exited
    }
    await expectNothingLeft(before, defaultRunDir)
  },
  slow(180_000),
)
