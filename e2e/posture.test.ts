// test:vmm: every VMM
/**
 * What /proc says of live VMMs, compared as a whole with what the documentation promises: written out here and not
 * taken from the code that confines, so that both have to agree.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { builtInConfig } from '../src/config/load.ts'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { processResource } from '../src/ledger/process-resource.ts'
import { isAlive, processesOfUid, processRef } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { namespaceKinds, readPosture } from '../src/rootless/posture/posture.ts'
import type { SandboxFacts } from '../src/sandbox/records/facts.ts'
import { fullSeccompSandbox } from '../src/vmm/qemu/configuration/keys.ts'
import { createQemu } from '../src/vmm/qemu/qemu.ts'
import type { VmSpec } from '../src/vmm/vmm.ts'
import { type OwnedSandbox, takeSandbox } from './attack/stage.ts'
import { tcgTest } from './harness/accelerator.ts'
import { podTest, reasonAgainst } from './harness/cannot.ts'
import { type Accelerator, askedAccelerator } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { hostState } from './harness/host/host.ts'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable, vmm } from './harness/vmm.ts'
import {
  lastHandedOver,
  privateDirectories,
  privateSockets,
  promised,
  promisedDaemon,
} from './harness/vmms/promised.ts'

const kvmGroup = statSync('/dev/kvm', { throwIfNoEntry: false })?.gid
/** Group 0 is never handed over: a node of root's, or none, means no group. */
const nodeGroups = kvmGroup === undefined || kvmGroup === 0 ? [] : [kvmGroup]
const noKvm = nodeGroups.length === 0
const withoutKvm = noKvm ? ' (this host has no /dev/kvm with a group)' : ''
const none = '0000000000000000'

function daemonPosture(pid: number, id: string) {
  const { idMaps, descriptors } = readPosture(pid)
  const kinds = Object.values(descriptors).map((target) =>
    target
      .replace(/^(socket|pipe):.*/, '$1')
      .replace(/^\/memfd:.*/, 'memfd')
      .replace(/^anon_inode:\[(.*)\]$/, '$1')
      .replace(new RegExp(`^/${pid}/mountinfo$`), 'own mount table')
      .replace(new RegExp(`^/(${id}(/.*)?)?$`), 'share'),
  )
  return { ...measured(pid), idMaps, descriptors: [...new Set(kinds)].sort() }
}

/** What /proc says, in the same form: threads that are alike once, namespaces as the host's or not. */
function measured(pid: number) {
  const { threads, mounts, descriptors, environment, limits: all, cwd, interfaces } = readPosture(pid)
  // They are the host's own limits; machines that take host devices lock memory.
  const { memlock: _, as: __, fsize: ___, ...limits } = all
  const alike = threads.map(({ tid: _, namespaces, ...rest }) => ({
    ...rest,
    namespaces: Object.fromEntries(
      namespaceKinds.map((kind) => [kind, namespaces[kind] === hostNamespace(kind) ? 'host' : 'own']),
    ),
  }))
  const root = readdirSync(`/proc/${pid}/root`).sort()
  return {
    threads: distinct(alike),
    mounts,
    root,
    descriptors: descriptorKinds(descriptors),
    environment,
    limits,
    cwd,
    interfaces,
  }
}

function hostNamespace(kind: string): string {
  return readlinkSync(`/proc/self/ns/${kind}`)
}

const distinct = <T>(values: readonly T[]): T[] =>
  [...new Set(values.map((value) => JSON.stringify(value)))].map((text) => JSON.parse(text) as T)

function descriptorKinds(descriptors: Readonly<Record<number, string>>) {
  const kinds = Object.entries(descriptors).map(([fd, target]): [number, string] => [
    Number(fd),
    target
      .replace(/^socket:.*/, 'socket')
      .replace(/^\/memfd:.*/, 'memfd')
      .replace(/^anon_inode:\[(.*)\]$/, '$1'),
  ])
  const others = kinds
    .filter(([fd]) => fd > lastHandedOver)
    .map(([, kind]) => kind)
    // Figures to read, of a processor that it has anyway: whether a KVM offers them depends on its kernel.
    .filter((kind) => !kind.startsWith('anon_inode:kvm-vcpu-stats:'))
  const sockets = others.filter((kind) => kind === 'socket')
  const rest = [...new Set(others.filter((kind) => kind !== 'socket'))]
  return {
    ...Object.fromEntries(kinds.filter(([fd]) => fd <= lastHandedOver)),
    others: [...rest, ...sockets].sort(),
  }
}

let kata: Kata
beforeAll(async () => {
  kata = new Kata()
  // The first start of a boot warns that it has no KVM.
  expect(await kata.run(['true'])).toMatchObject({ code: 0 })
}, slow(60_000))
afterAll(() => kata.close(), slow(60_000))

const openWall: string = expect.stringMatching(/^kata-ts: warning: the VMM runs as root of this host .*\n$/)

/** A sandbox that runs until the end of the scope, and then leaves nothing of itself. */
async function running(name: string, flags: readonly string[] = [], said = '') {
  const { code, stderr } = await kata.call(['run', '-d', '--name', name, ...flags, '--', 'sleep', '600'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: said })
  const facts = (await kata.inspect(name)).sandbox as SandboxFacts
  const remove = async () => {
    const vmm = processRef(facts.vmmPid)!
    expect((await kata.call(['rm', '-f', name])).code).toBe(0)
    expect(isAlive(vmm)).toBe(false)
    expect(existsSync(facts.privateDir)).toBe(false)
    if (facts.rootless) expect(traces(facts)).toEqual([])
  }
  return { ...facts, [Symbol.asyncDispose]: remove }
}

/** Lines and files of accounts that name the user or its id. */
function traces({ user, uid }: SandboxFacts): string[] {
  const { accounts = [], userdb = [] } = hostState(kata.runDir).ours
  return [...accounts, ...userdb].filter((line) => line.includes(user) || line.includes(`${uid}`))
}

/** What a shim starts has the shim's own filter besides. */
function withShims<T extends { threads: readonly { seccompFilters: number }[] }>(promise: T) {
  const threads = promise.threads.map((thread) => ({ ...thread, seccompFilters: thread.seccompFilters + 1 }))
  return { ...promise, threads }
}

/** By the accelerator in its record. Whoever may come to use KVM has the group, whatever became of it. */
function promisedOf(
  { uid, accelerator }: SandboxFacts,
  groups = askedAccelerator === 'tcg' ? [] : nodeGroups,
) {
  return withShims(promised(uid, groups, accelerator as Accelerator))
}

/** Runs with a configuration of its own. */
async function configured(name: string, lines: readonly string[]) {
  using dir = scratch()
  const file = `${dir.path}/configuration.toml`
  writeFileSync(file, hypervisorTable([...lines, ''].join('\n')))
  return await running(name, ['--config', file])
}

describe('two sandboxes at once', () => {
  let one: Awaited<ReturnType<typeof running>>
  let two: Awaited<ReturnType<typeof running>>
  beforeAll(async () => {
    one = await running('one')
    two = await running('two')
  }, slow(60_000))
  afterAll(async () => {
    await one?.[Symbol.asyncDispose]()
    await two?.[Symbol.asyncDispose]()
  }, slow(60_000))

  test('each VMM is confined exactly as promised', () => {
    expect(measured(one.vmmPid)).toEqual(promisedOf(one))
    expect(measured(two.vmmPid)).toEqual(promisedOf(two))
  })

  podTest('each virtiofsd is confined exactly as promised, both its processes', async () => {
    for (const { virtiofsdPids, virtiofsdUid, id } of [one, two]) {
      const [supervisor, worker] = virtiofsdPids.map((pid) => daemonPosture(pid, id))
      expect(supervisor).toEqual(withShims(promisedDaemon(virtiofsdUid, id, false)))
      expect(worker).toEqual(withShims(promisedDaemon(virtiofsdUid, id, true)))
    }
    expect(one.virtiofsdUid).not.toBe(two.virtiofsdUid)
  })

  test('control: this process is not', () => {
    const { threads, mounts, environment, limits } = measured(process.pid)
    expect(threads[0]).toMatchObject({ uid: [0, 0, 0, 0], noNewPrivs: 0, seccomp: 0, seccompFilters: 0 })
    expect(threads[0]!.capabilities.CapEff).not.toBe(none)
    expect(new Set(Object.values(threads[0]!.namespaces))).toEqual(new Set(['host']))
    expect(mounts.length).toBeGreaterThan(5)
    expect(environment).toBeGreaterThan(0)
    expect(limits).not.toEqual({ core: '0:0', nofile: '1024:1024', nproc: '1024:1024' })
  })

  test('they share neither user nor namespace', () => {
    expect(one.uid).not.toBe(two.uid)
    for (const kind of ['mnt', 'pid', 'ipc', 'uts', 'net'])
      expect(readlinkSync(`/proc/${one.vmmPid}/ns/${kind}`)).not.toBe(
        readlinkSync(`/proc/${two.vmmPid}/ns/${kind}`),
      )
  })

  test('the network namespace holds a loopback that is down, and nothing else', () => {
    const links = Bun.spawnSync(['nsenter', '-t', `${one.vmmPid}`, '-n', 'ip', '-o', 'link'])
    const lines = links.stdout.toString().trim().split('\n')
    expect(lines).toEqual([expect.stringMatching(/^1: lo: <LOOPBACK> /)])
  })

  test('user and group exist while it runs', () => {
    const { uid, user } = one
    expect(user).toMatch(/^kata-\d+$/)
    const comment = 'Kata Containers temporary hypervisor user'
    expect(traces(one)).toEqual([
      `/etc/passwd: ${user}:x:${uid}:${uid}:${comment}:/nonexistent:/usr/sbin/nologin`,
      `/etc/group: ${user}:x:${uid}:`,
      expect.stringMatching(new RegExp(`^/etc/shadow: ${user}:!:`)),
      `/etc/gshadow: ${user}:!::`,
    ])
  })

  test('the private directory is its own, what lies in it is root’s but for the sockets that it needs', () => {
    const { uid, vmmPid, shimPid } = one
    expect(one.privateDir).toBe(`/run/user/${uid}`)
    expect(lstatSync(one.privateDir)).toMatchObject({ uid, gid: uid, mode: 0o040700 })
    // What is mounted there is the shim's to see.
    const privateDir = `/proc/${shimPid}/root${one.privateDir}`
    expect(lstatSync(privateDir)).toMatchObject({ uid, gid: uid, mode: 0o040700 })
    const files = readdirSync(privateDir).sort()
    const { ofRoot, own } = privateSockets
    expect(files).toEqual(['pid', ...ofRoot, ...own, ...privateDirectories].sort())
    for (const name of ofRoot)
      expect(lstatSync(`${privateDir}/${name}`)).toMatchObject({ uid: 0, gid: 0, mode: 0o140600 })
    for (const name of own) {
      const { mode, ...owner } = lstatSync(`${privateDir}/${name}`)
      expect([owner.uid, owner.gid, mode & 0o170077]).toEqual([uid, uid, 0o140000])
    }
    expect(lstatSync(`${privateDir}/pid`)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 })
    expect(readFileSync(`${privateDir}/pid`, 'utf8')).toBe(`${vmmPid}\n`)
  })
})

describe('other settings', () => {
  podTest(
    'rootless false changes the ids and nothing else',
    async () => {
      await using vm = await running('as-root', ['--rootless', 'false'], openWall)
      expect(measured(vm.vmmPid)).toEqual(promisedOf(vm, []))
      expect(vm.virtiofsdUid).toBeGreaterThan(65535)
      for (const [index, pid] of vm.virtiofsdPids.entries())
        expect(daemonPosture(pid, vm.id)).toEqual(
          withShims(promisedDaemon(vm.virtiofsdUid, vm.id, index === 1)),
        )
      expect(vm.user).toBe('root')
      expect(lstatSync(vm.privateDir)).toMatchObject({ uid: 0, gid: 0, mode: 0o040700 })
    },
    slow(60_000),
  )

  tcgTest(
    'accelerator tcg: no group at all',
    async () => {
      await using vm = await configured('tcg', ['accelerator = "tcg"'])
      expect(measured(vm.vmmPid)).toEqual(promisedOf(vm, []))
    },
    slow(60_000),
  )

  tcgTest(
    'no host of machines and no counters for the guest, unless cpu_features asks',
    async () => {
      const count = async (name: string) => {
        const grep = ['exec', name, '--', 'grep', '-cw', 'svm', '/proc/cpuinfo']
        return (await kata.call(grep)).stdout.trim()
      }
      await using _off = await running('not-nested')
      expect(await count('not-nested')).toBe('0')
      await using _on = await configured('nested', ['cpu_features = "svm=on"'])
      expect(Number(await count('nested'))).toBeGreaterThan(0)
    },
    slow(60_000),
  )

  test(
    'account userdb: drop-in records, and nothing in /etc',
    async () => {
      await using vm = await configured('userdb', ['rootless_account = "userdb"'])
      expect(measured(vm.vmmPid)).toEqual(promisedOf(vm))
      const { uid, user } = vm
      expect(traces(vm)).toEqual([`${uid}.group`, `${uid}.user`, `${user}.group`, `${user}.user`])
      const record = JSON.parse(readFileSync(`/run/userdb/${uid}.user`, 'utf8'))
      expect(record).toMatchObject({ userName: user, uid, gid: uid, locked: true })
    },
    slow(60_000),
  )

  test(
    'account none: bare numbers, and nothing anywhere',
    async () => {
      await using vm = await configured('numbers', ['rootless_account = "none"'])
      expect(measured(vm.vmmPid)).toEqual(promisedOf(vm))
      expect(traces(vm)).toEqual([])
    },
    slow(60_000),
  )
})

const image = requireImage()
const paused: Omit<VmSpec, 'identity' | 'privateDir' | 'stateDir'> = {
  sandboxId: 'paused',
  kernel: image.kernel,
  initrd: image.initrd,
  kernelParams: [],
  vcpus: 1,
  maxVcpus: 1,
  memoryMiB: 128,
  maxMemoryMiB: 0,
  accelerator: 'tcg',
}

/** Machines that are built but never run guest code: here KVM has to create them, it need not run them. */
const otherVmm = reasonAgainst('QEMU: a paused machine')
const pausedTitle = `QEMU: a paused machine${otherVmm === undefined ? '' : ` (${vmm.driver}: ${otherVmm})`}`

describe.skipIf(otherVmm !== undefined)(pausedTitle, () => {
  let directory: string
  let owned: OwnedSandbox
  beforeAll(async () => {
    directory = ownDirectory('/run/kt-paused-')
    owned = await takeSandbox(directory, 'paused')
  })
  afterAll(async () => {
    await owned.ledger.releaseAll()
    rmSync(directory, { recursive: true })
  })

  const build = (changes: Partial<VmSpec>, seccompSandbox = fullSeccompSandbox) => {
    const { identity, privateDir, stateDir, ledger } = owned
    const { hypervisor } = builtInConfig()
    const spec: VmSpec = { ...paused, identity, privateDir, stateDir, ...changes }
    const config = { hypervisor: { ...hypervisor, pcieRootPort: 0, seccompSandbox } }
    return createQemu({ spec, config, ledger, log: silentLogger })
  }

  test.skipIf(noKvm)(`opens /dev/kvm by its group and creates the machine${withoutKvm}`, async () => {
    const vmm = build({ accelerator: 'kvm', kvmCpu: 'qemu64' })
    const { ref } = await vmm.start()
    const { threads, descriptors, mounts } = measured(ref.pid)
    await vmm.stop()
    const { uid } = owned.identity
    expect(threads).toEqual(promised(uid, nodeGroups, 'kvm').threads)
    expect(mounts).toContainEqual({ point: '/dev/kvm', flags: ['noexec', 'nosuid'] })
    expect(descriptors.others).toEqual(
      expect.arrayContaining(['/dev/kvm', 'anon_inode:kvm-vm', 'anon_inode:kvm-vcpu:0']),
    )
  })

  // The errno is asserted in attack.test.ts: QEMU's own message shows another one.
  test.skipIf(noKvm)(`and cannot without the group${withoutKvm}`, async () => {
    const vmm = build({
      accelerator: 'kvm',
      kvmCpu: 'qemu64',
      identity: { ...owned.identity, groups: [] },
    })
    await expect(vmm.start()).rejects.toThrow('Could not access KVM kernel module')
    expect(readdirSync(owned.privateDir)).toEqual([])
  })

  test.skipIf(noKvm)(
    `needs no group and sees no node when KVM comes as a descriptor${withoutKvm}`,
    async () => {
      const identity = { ...owned.identity, groups: [] }
      const vmm = build({ accelerator: 'kvm', kvmAccess: 'descriptor', kvmCpu: 'qemu64', identity })
      const { ref } = await vmm.start()
      const { threads, descriptors, mounts } = measured(ref.pid)
      await vmm.stop()
      expect(threads).toEqual(promised(owned.identity.uid, [], 'kvm').threads)
      expect(mounts.filter(({ point }) => point.startsWith('/dev/kvm'))).toEqual([])
      expect(descriptors.others).toEqual(expect.arrayContaining(['/dev/kvm', 'anon_inode:kvm-vm']))
    },
  )

  test('a wall that is missing stops the start, and nothing is left', async () => {
    const vmm = build({}, 'off')
    await expect(vmm.start()).rejects.toThrow(
      /POSTURE_DIFFERS.*seccompFilters of (thread \d+|\d+ threads) is "1", expected "at least 2"/,
    )
    expect(readdirSync(owned.privateDir)).toEqual([])
    expect(owned.ledger.dataOf(processResource)).toEqual([])
    expect(processesOfUid(owned.identity.uid)).toEqual([])
  })
})
