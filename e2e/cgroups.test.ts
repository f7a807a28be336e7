// test:vmm: every VMM
/** Where the processes of a sandbox are counted: both ways to place them, on this host's cgroups and on version 2 alone. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import {
  type CgroupHierarchy,
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  hierarchyOf,
  isUnified,
  makeCgroup,
} from '../src/linux/cgroups/cgroup.ts'
import { mount, unmount } from '../src/linux/mounts/mount.ts'
import { readProc } from '../src/linux/processes/proc.ts'
import { memoryBound } from '../src/sandbox/size/memory-bound.ts'
import { configuration } from './harness/configuration.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { isWritable, memoryHierarchy, noMemory } from './harness/memory-cgroup.ts'
import { Pod } from './world/pod.ts'

const root = '/sys/fs/cgroup'
const canWrite = cgroupHierarchies().slice(0, 1).some(isWritable)
if (!canWrite) console.log('skipped: no cgroup file system is mounted and writable here')

let kata: Kata
const files = scratch()
const apart = `${files.path}/apart.toml`
const together = `${files.path}/together.toml`
/** As together, with all its memory touched at the start, as busy guests do sooner or later. */
const touched = `${files.path}/touched.toml`
const MiB = 1024 * 1024
beforeAll(() => {
  kata = new Kata()
  const machine = '[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\n'
  const only = '[runtime]\nsandbox_cgroup_only = true\n'
  writeFileSync(apart, configuration(machine))
  writeFileSync(together, configuration(`${machine}${only}`))
  writeFileSync(touched, configuration(`${machine}enable_mem_prealloc = true\n${only}`))
})
afterEach(() => expect(sandboxCgroups()).toEqual([]))
afterAll(async () => {
  await kata.close()
  files[Symbol.dispose]()
})

interface Sandbox {
  readonly shim: number
  readonly vmm: number
  readonly virtiofsd: readonly number[]
}

/** Starts a container in the background. */
async function start(name: string, config: string): Promise<Sandbox> {
  const { code, stderr } = await kata.call([
    'run',
    '-d',
    '--config',
    config,
    '--name',
    name,
    '--',
    'sleep',
    '1000',
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { sandbox } = await kata.inspect(name)
  return { shim: sandbox.shimPid, vmm: sandbox.vmmPid, virtiofsd: sandbox.virtiofsdPids }
}

test.skipIf(!canWrite)(
  'containers of one name in two namespaces have nothing in common: the end of one is not that of the other',
  async () => {
    const other = ['--namespace', 'elsewhere']
    const first = await start('twin', apart)
    const started = await kata.call([
      ...[...other, 'run', '-d', '--network', 'none', '--config', apart, '--name', 'twin'],
      ...['--', 'sleep', '1000'],
    ])
    expect(started).toMatchObject({ code: 0, stderr: '' })
    const memory = hierarchyOf(cgroupHierarchies(), 'memory')!
    const [{ sandbox }] = JSON.parse((await kata.call([...other, 'inspect', 'twin'])).stdout)
    expect(cgroupOf(sandbox.shimPid, memory)).not.toBe(cgroupOf(first.shim, memory)!)
    expect((await kata.call([...other, 'rm', '-f', 'twin'])).code).toBe(0)
    expect((await kata.call(['exec', 'twin', 'true'])).code).toBe(0)
    expect((await kata.call(['rm', '-f', 'twin'])).code).toBe(0)
  },
)

/** The cgroup of each process in every hierarchy of this version, each once. */
const cgroupsOf = (pids: readonly number[], version: 1 | 2): (string | undefined)[] => {
  const hierarchies = cgroupHierarchies().filter((hierarchy) => hierarchy.version === version)
  return [...new Set(hierarchies.flatMap((hierarchy) => pids.map((pid) => cgroupOf(pid, hierarchy))))]
}

/** What is to limit the cgroups of a sandbox. */
const bounds = { memory: `${memoryBound(256)}`, pids: '3072' }

/** The limits of a cgroup, or, for a controller that the host does not have, what it should be. */
function limitsOf(path: string): object {
  const read = (controller: string, ofV1: string, ofV2: string): string | undefined => {
    const hierarchy = hierarchyOf(cgroupHierarchies(), controller)
    if (hierarchy === undefined) return undefined
    const text = readProc(`${cgroupDirectory(hierarchy, path)}/${hierarchy.version === 1 ? ofV1 : ofV2}`)
    return text?.split(/\s/)[0]
  }
  const cpu = read('cpu', 'cpu.cfs_quota_us', 'cpu.max')
  return {
    memory: read('memory', 'memory.limit_in_bytes', 'memory.max') ?? bounds.memory,
    pids: read('pids', 'pids.max', 'pids.max') ?? bounds.pids,
    ...(path.startsWith('/kata_overhead/') ? { cpu: cpu ?? '200000' } : {}),
  }
}

/** Cgroups of the VMM's threads in one hierarchy, by what the thread's name begins with. */
function threadCgroups(
  vmm: number,
  hierarchy: CgroupHierarchy,
): { processors: Set<string>; others: Set<string> } {
  const result = { processors: new Set<string>(), others: new Set<string>() }
  for (const tid of readdirSync(`/proc/${vmm}/task`)) {
    const name = readProc(`/proc/${vmm}/task/${tid}/comm`) ?? ''
    const cgroup = cgroupOf(Number(tid), hierarchy)!
    result[name.startsWith('CPU ') ? 'processors' : 'others'].add(cgroup)
  }
  return result
}

/** What is there of the cgroups of this test's sandboxes, in any hierarchy; of those above, if nobody else is in them. */
function sandboxCgroups(): string[] {
  const ours = ['together', 'apart', 'small', 'twin'].flatMap((name) => [
    `vc/kata_${name}`,
    `kata_overhead/${name}`,
  ])
  const isEmpty = (path: string) =>
    existsSync(path) && !readdirSync(path, { withFileTypes: true }).some((entry) => entry.isDirectory())
  return cgroupHierarchies().flatMap(({ point }) => [
    ...ours.map((path) => `${point}/${path}`).filter((path) => existsSync(path)),
    ...['vc', 'kata_overhead'].map((name) => `${point}/${name}`).filter(isEmpty),
  ])
}

/** Hides every hierarchy of version 1. Where there is none, version 2 cannot be mounted over itself (EBUSY). */
function unified(): Disposable {
  mount({ source: 'cgroup2', target: root, type: 'cgroup2' })
  return { [Symbol.dispose]: () => unmount(root) }
}

/** Hosts of today have no other. */
const alreadyUnified = isUnified(cgroupHierarchies())
const worlds = alreadyUnified ? ['version 2 alone'] : ['as this host has it', 'version 2 alone']

describe.skipIf(!canWrite).each(worlds)('%s', (world) => {
  let cover: Disposable | undefined
  beforeAll(() => {
    if (world === 'version 2 alone' && !alreadyUnified) cover = unified()
    expect(isUnified(cgroupHierarchies())).toBe(world === 'version 2 alone')
  })
  afterAll(() => cover?.[Symbol.dispose]())

  test('sandbox_cgroup_only: shim, VMM and virtiofsd are together, and all is gone at the end', async () => {
    const { shim, vmm, virtiofsd } = await start('together', together)
    const all = [shim, vmm, ...virtiofsd]
    for (const version of [1, 2] as const) {
      const expected = cgroupHierarchies().some((hierarchy) => hierarchy.version === version)
      expect(cgroupsOf(all, version)).toEqual(expected ? ['/vc/kata_together'] : [])
    }
    expect(limitsOf('/vc/kata_together')).toEqual(bounds)
    expect((await kata.call(['rm', '-f', 'together'])).code).toBe(0)
  })

  test('otherwise the guest’s processors are in the sandbox’s cgroup and the rest is overhead', async () => {
    const { shim, vmm, virtiofsd } = await start('apart', apart)
    expect(limitsOf('/vc/kata_apart')).toEqual(bounds)
    expect(limitsOf('/kata_overhead/apart')).toEqual({ ...bounds, cpu: '200000' })
    for (const hierarchy of cgroupHierarchies()) {
      for (const pid of [shim, ...virtiofsd]) expect(cgroupOf(pid, hierarchy)).toBe('/kata_overhead/apart')
      const { processors, others } = threadCgroups(vmm, hierarchy)
      expect([...processors]).toEqual(['/vc/kata_apart'])
      expect([...others]).toEqual([hierarchy.version === 2 ? '/vc/kata_apart' : '/kata_overhead/apart'])
    }
    expect((await kata.call(['rm', '-f', 'apart'])).code).toBe(0)
  })

  test.each([
    ['together', together],
    ['apart', apart],
  ])('a shim that was killed leaves none (%s)', async (name, config) => {
    const { shim } = await start(name, config)
    process.kill(shim, 'SIGKILL')
    await eventually('the shim to end', () => (readProc(`/proc/${shim}/cmdline`) ? undefined : true))
    await kata.call(['gc'])
    await kata.call(['rm', '-f', name])
  })
})

describe.skipIf(!canWrite)('what cannot be', () => {
  test('a cgroup file system that is read-only is a warning, and an error where the cgroup was asked for', async () => {
    mount({ source: 'tmpfs', target: root, type: 'tmpfs' })
    try {
      const run = (config: string) => kata.run(['echo', 'on'], { flags: ['--config', config] })
      expect(await run(apart)).toEqual({ code: 0, stdout: 'on\n', stderr: '' })
      const refused = await run(together)
      expect(refused.code).not.toBe(0)
      expect(refused.stderr).toContain('[CGROUP_UNUSABLE]')
    } finally {
      unmount(root)
    }
  })
})

/** A pod's cgroup with a limit, as a kubelet makes it; of the test's own, so that nobody else is limited. */
function limitedPod(path: string, limitMiB: number): Disposable {
  const directory = cgroupDirectory(memoryHierarchy!, path)
  makeCgroup(memoryHierarchy!, path)
  const bytes = `${limitMiB * MiB}`
  // Without swap, which a kubelet does not give either: it would take what is too much.
  const settings: Record<string, string> =
    memoryHierarchy!.version === 2
      ? { 'memory.max': bytes, 'memory.swap.max': '0' }
      : { 'memory.use_hierarchy': '1', 'memory.limit_in_bytes': bytes, 'memory.memsw.limit_in_bytes': bytes }
  for (const [name, value] of Object.entries(settings))
    if (existsSync(`${directory}/${name}`)) writeFileSync(`${directory}/${name}`, value)
  return { [Symbol.dispose]: () => rmdirSync(directory) }
}

describe.skipIf(memoryHierarchy === undefined)(
  `a pod whose memory limit is too small for a machine${noMemory}`,
  () => {
    const parent = '/kata-ts-e2e-small'
    test.each([
      [64, 'CGROUP_MEMORY_TOO_SMALL'],
      [140, 'CGROUP_OUT_OF_MEMORY'],
    ])('%d MiB: [%s]', async (limit, code) => {
      using dir = scratch()
      using _pod = limitedPod(parent, limit)
      const options = { id: 'small', dir: dir.path, runDir: kata.runDir, configPath: touched }
      const start = Pod.start({ ...options, sandbox: { linux: { cgroupsPath: `${parent}/small` } } })
      const message = await start.then(
        () => 'it started',
        (error: Error) => error.message,
      )
      expect(message).toContain(`[${code}]`)
      expect(message).toContain(`${limit} MiB`)
      expect(message).toContain(cgroupDirectory(memoryHierarchy!, parent))
    })
  },
)
