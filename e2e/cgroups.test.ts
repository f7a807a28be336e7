/** Where the processes of a sandbox are counted: both ways to place them, on this host's cgroups and on version 2 alone. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import {
  type CgroupHierarchy,
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  hierarchyOf,
} from '../src/linux/cgroup.ts'
import { mount, unmount } from '../src/linux/mount.ts'
import { readProc } from '../src/linux/proc.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'

const root = '/sys/fs/cgroup'
const canWrite = cgroupHierarchies().length > 0 && isWritable()
if (!canWrite) console.log('skipped: no cgroup file system is mounted and writable here')

let kata: Kata
const files = scratch()
const apart = `${files.path}/apart.toml`
const together = `${files.path}/together.toml`
beforeAll(() => {
  kata = new Kata()
  const machine = '[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\n'
  writeFileSync(apart, machine)
  writeFileSync(together, `${machine}[runtime]\nsandbox_cgroup_only = true\n`)
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

/** The cgroup of each process in every hierarchy of this version, each once. */
const cgroupsOf = (pids: readonly number[], version: 1 | 2): (string | undefined)[] => {
  const hierarchies = cgroupHierarchies().filter((hierarchy) => hierarchy.version === version)
  return [...new Set(hierarchies.flatMap((hierarchy) => pids.map((pid) => cgroupOf(pid, hierarchy))))]
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

/** What of sandboxes' cgroups is there, in any hierarchy. */
function sandboxCgroups(): string[] {
  return cgroupHierarchies().flatMap(({ point }) =>
    ['vc', 'kata_overhead'].map((name) => `${point}/${name}`).filter((path) => existsSync(path)),
  )
}

function isWritable(): boolean {
  const probe = `${cgroupHierarchies()[0]!.point}/kata-ts-probe`
  try {
    mkdirSync(probe)
    rmdirSync(probe)
    return true
  } catch {
    return false
  }
}

/** Hides every hierarchy of version 1: what is mounted at /sys/fs/cgroup is version 2, as on a host of today. */
function unified(): Disposable {
  mount({ source: 'cgroup2', target: root, type: 'cgroup2' })
  return { [Symbol.dispose]: () => unmount(root) }
}

describe.skipIf(!canWrite).each([['as this host has it'], ['version 2 alone']])('%s', (world) => {
  let cover: Disposable | undefined
  beforeAll(() => {
    cover = world === 'version 2 alone' ? unified() : undefined
    expect(cover !== undefined && cgroupHierarchies().some(({ version }) => version === 1)).toBe(false)
  })
  afterAll(() => cover?.[Symbol.dispose]())

  test('sandbox_cgroup_only: shim, VMM and virtiofsd are together, and all is gone at the end', async () => {
    const { shim, vmm, virtiofsd } = await start('together', together)
    const all = [shim, vmm, ...virtiofsd]
    for (const version of [1, 2] as const) {
      const expected = cgroupHierarchies().some((hierarchy) => hierarchy.version === version)
      expect(cgroupsOf(all, version)).toEqual(expected ? ['/vc/kata_together'] : [])
    }
    expect((await kata.call(['rm', '-f', 'together'])).code).toBe(0)
  })

  test('otherwise the guest’s processors are in the sandbox’s cgroup and the rest is overhead', async () => {
    const { shim, vmm, virtiofsd } = await start('apart', apart)
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

const memory = hierarchyOf(cgroupHierarchies(), 'memory')
const limitsMemory = canWrite && memory?.version === 1
if (!limitsMemory) console.log('skipped: no memory controller of version 1 to limit a pod with')

describe.skipIf(!limitsMemory)('a pod whose memory limit is too small for a machine', () => {
  const pod = () => cgroupDirectory(memory!, '/vc')
  test.each([
    [64, 'CGROUP_MEMORY_TOO_SMALL'],
    [140, 'CGROUP_OUT_OF_MEMORY'],
  ])('%d MiB: [%s]', async (limit, code) => {
    mkdirSync(pod())
    writeFileSync(`${pod()}/memory.use_hierarchy`, '1')
    writeFileSync(`${pod()}/memory.limit_in_bytes`, `${limit * 1024 * 1024}`)
    const { stderr } = await kata.run(['true'], { flags: ['--config', together] })
    expect(stderr).toContain(`[${code}]`)
    expect(stderr).toContain(`${limit} MiB`)
  })
})
