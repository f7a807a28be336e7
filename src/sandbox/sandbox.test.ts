import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentFacts } from '../agent/agent-facts.ts'
import { loadConfigText } from '../config/load.ts'
import { KataError } from '../errors.ts'
import { Ledger, type ResourceKind } from '../ledger/ledger.ts'
import type { IdExtent } from '../linux/processes/user-namespace.ts'
import { silentLogger } from '../log.ts'
import { deviceRights } from '../oci/devices/device-rights.ts'
import type { OciSpec } from '../oci/spec.ts'
import { CgroupStats } from '../protocol/generated/agent.ts'
import { realClock, sleep } from '../time.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import type { VmEnd } from '../vmm/vmm.ts'
import { MachineEnd } from './end/machine-end.ts'
import { Sandbox } from './sandbox.ts'
import type { SandboxParts } from './sandbox-parts.ts'
import type { Demand } from './size/sizing.ts'
import { assetFiles } from './start/prepare/asset-files.ts'
import { noBringer } from './storage/brought-modules.ts'

const never = new Promise<never>(() => {})
const nothing = async () => {}
const network = { lookAfter: () => {} }
const stateDir = mkdtempSync(join(tmpdir(), 'sandbox-'))
afterAll(() => rmSync(stateDir, { recursive: true, force: true }))

/** A sandbox of which only the first step of a container is there: it fails with "the machine is asked to grow". */
function sandboxWith(
  agentFacts: AgentFacts,
  disableGuestSeccomp = false,
  idMap?: readonly IdExtent[],
): Sandbox {
  const parts = {
    id: 'pod',
    agentFacts,
    log: silentLogger,
    ledger: {},
    network,
    paths: { runDir: '/absent' },
    config: { hypervisor: {}, runtime: { disableGuestSeccomp, createContainerTimeout: 60 } },
    agent: { agent: {}, health: { check: () => never } },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmm: {},
    vmmProcess: { pid: 7 },
    share: { idMap, removeContainer: nothing },
    disks: { release: nothing },
    cpus: { place: nothing, forget: nothing },
    sizer: { demand: () => Promise.reject(new Error('the machine is asked to grow')), forget: nothing },
  }
  return new Sandbox(parts as unknown as SandboxParts)
}

const spec = { linux: { seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } } }
const facts: AgentFacts = {
  name: 'kata',
  version: '4.1.0',
  seccomp: false,
  usesStreamBuffer: false,
  watchesVolumes: true,
  memoryBlockMiB: 128,
}

test.each([
  ['an agent without seccomp', facts, false, '[AGENT_NO_SECCOMP] container c has a seccomp profile'],
  ['an operator who wants none applied', facts, true, 'the machine is asked to grow'],
  ['an agent with seccomp', { ...facts, seccomp: true }, false, 'the machine is asked to grow'],
])('a container with a seccomp profile, and %s', async (_what, agentFacts, disabled, says) => {
  const sandbox = sandboxWith(agentFacts, disabled)
  const made = sandbox.createContainer({
    id: 'c',
    bundle: '/b',
    rootfs: [],
    spec,
    rights: deviceRights(spec),
  })
  await expect(made).rejects.toThrow(says)
})

const oneId = [{ inside: 0, outside: 100_000, count: 1 }]
test.each<[string, string, OciSpec, readonly IdExtent[] | undefined]>([
  ['nothing', 'the machine is asked to grow', { process: { user: { uid: 1000, gid: 0 } } }, undefined],
  [
    'an id that its share has',
    'the machine is asked to grow',
    { process: { user: { uid: 0, gid: 0 } } },
    oneId,
  ],
  ['an id beyond its share', '[SHARE_ID_BEYOND]', { process: { user: { uid: 1000, gid: 0 } } }, oneId],
  [
    'a mount with users of its own',
    '[SHARE_MOUNT_INVALID]',
    { mounts: [{ destination: '/data', uidMappings: [{ containerID: 0, hostID: 1, size: 1 }] }] },
    undefined,
  ],
])('a container that wants %s: %s', async (_what, says, wanted, idMap) => {
  const request = { id: 'c', bundle: '/b', rootfs: [], spec: wanted, rights: deviceRights(wanted) }
  await expect(sandboxWith(facts, false, idMap).createContainer(request)).rejects.toThrow(says)
})

test('what a container in the making takes is released with the sandbox: the stop waits for it', async () => {
  const steps: string[] = []
  const made = Promise.withResolvers<never>()
  const parts = {
    id: 'pod',
    agentFacts: facts,
    log: silentLogger,
    network,
    paths: { runDir: '/absent', stateDir },
    config: { hypervisor: {}, runtime: { disableGuestSeccomp: true, createContainerTimeout: 60 } },
    agent: {
      agent: { destroySandbox: nothing },
      health: { check: () => never },
      close: () => void steps.push('the agent is left'),
    },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmmProcess: { pid: 7 },
    vmm: { stop: async () => void steps.push('the machine ends') },
    ledger: { releaseAll: async () => void steps.push('all is released') },
    share: { idMap: undefined, removeContainer: nothing },
    disks: { areWritten: false, release: nothing },
    cpus: { place: nothing, forget: nothing },
    sizer: { demand: () => made.promise, forget: nothing },
  }
  const sandbox = new Sandbox(parts as unknown as SandboxParts)
  const container = sandbox
    .createContainer({ id: 'c', bundle: '/b', rootfs: [], spec: {}, rights: deviceRights({}) })
    .catch(({ message }) => message)
  const stop = sandbox.stop()
  await sandbox.stopped
  steps.push('its end is known')
  made.reject(new Error('the connection is gone'))
  await stop
  expect(await container).toBe('the connection is gone')
  expect(steps).toEqual(['the agent is left', 'the machine ends', 'its end is known', 'all is released'])
})

test('the network is looked after until the machine has ended, however long its guest takes', async () => {
  const steps: string[] = []
  const step = (name: string) => async () => void steps.push(name)
  const lookAfter = (signal: AbortSignal) =>
    signal.addEventListener('abort', () => steps.push('the network is left'))
  const parts = {
    id: 'pod',
    agentFacts: facts,
    log: silentLogger,
    network: { lookAfter },
    paths: { stateDir },
    config: { hypervisor: {}, runtime: {} },
    agent: {
      agent: { destroySandbox: step('the guest takes its time') },
      health: { check: () => never },
      close: () => {},
    },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmmProcess: { pid: 7 },
    vmm: { stop: step('the machine ends') },
    disks: { areWritten: false },
    ledger: { releaseAll: step('all is released') },
  }
  await new Sandbox(parts as unknown as SandboxParts).stop()
  expect(steps).toEqual([
    ...['the guest takes its time', 'the machine ends', 'the network is left', 'all is released'],
  ])
})

test('a VMM that does not end keeps nothing but itself, its user and the state: its network ends, and its shares', async () => {
  mkdirSync(stateDir, { recursive: true })
  const steps: string[] = []
  const stays = new KataError('PROCESS_STAYS', { name: 'vmm', pid: 7 })
  const kindOf = (kind: string, failure?: Error): ResourceKind<object> => ({
    kind,
    release: () => {
      if (failure !== undefined) throw failure
      steps.push(`${kind} ends`)
    },
  })
  const machine = kindOf('vmm', stays)
  const kinds = [kindOf('uid-lease', stays), kindOf('pasta'), machine, kindOf('share')]
  const ledger = new Ledger(`${stateDir}/ledger`, kinds, silentLogger)
  for (const kind of kinds) await ledger.take(kind, {}, nothing)
  const lookAfter = (signal: AbortSignal) =>
    signal.addEventListener('abort', () => steps.push('the wall is left'))
  const parts = {
    id: 'pod',
    agentFacts: facts,
    log: silentLogger,
    network: { lookAfter },
    paths: { stateDir },
    config: { hypervisor: {}, runtime: {} },
    agent: {
      agent: { destroySandbox: nothing },
      health: { check: () => never },
      close: () => {},
    },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmmProcess: { pid: 7 },
    vmm: { stop: () => ledger.release(machine) },
    disks: { areWritten: false },
    ledger,
  }
  const sandbox = new Sandbox(parts as unknown as SandboxParts)
  const stop = sandbox.stop()
  await Promise.race([stop, sandbox.stopped])
  steps.push('its end is known')
  await expect(stop).rejects.toThrow(
    '[RELEASE_FAILED] could not release everything: uid-lease, vmm still held',
  )
  expect(steps).toEqual(['the wall is left', 'its end is known', 'share ends', 'pasta ends'])
  expect(new Ledger(`${stateDir}/ledger`, [], silentLogger).held).toEqual(['uid-lease', 'vmm'])
})

/** A sandbox with a container, whose machine can be saved. */
async function saveableSandbox(
  vmm: object,
  steps: string[],
  agent: object = {},
): Promise<{ sandbox: Sandbox; end: MachineEnd; directory: string }> {
  // Another test's sandbox has removed it.
  mkdirSync(stateDir, { recursive: true })
  const kernel = `${stateDir}/kernel`
  writeFileSync(kernel, 'kernel')
  const text = `[hypervisor.qemu]\npath = "${process.execPath}"\nrootless = true\nshared_fs = "none"\n`
  const plan = { vcpus: 1, memoryMiB: 256, maxVcpus: 1, maxMemoryMiB: 256 }
  const assets = { kernel, initrd: kernel, verify: nothing }
  const end = new MachineEnd({
    ...{ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined },
    clock: { ...realClock, sleep: (_, signal) => sleep(200, signal) },
  })
  const parts = {
    id: 'pod',
    guestId: 'pod',
    agentFacts: facts,
    log: silentLogger,
    network: { ...network, isOurs: true },
    paths: { stateDir },
    config: loadConfigText('c.toml', Buffer.from(text), silentLogger, { cpus: 2, memoryMiB: 4096 }),
    agent: {
      // All calls are held from then on.
      rest: async () => true,
      goOn: () => {},
      agent: { syncFileSystems: nothing, pauseContainer: nothing, destroySandbox: () => never, ...agent },
      health: { check: () => never },
      close: () => void steps.push('the agent is left'),
    },
    end,
    machine: {
      assets,
      assetFiles: assetFiles(assets),
      assetsNow: () => assets,
      accelerator: { accelerator: 'tcg', reason: '' },
      plan,
      began: 'boot',
      macs: [],
    },
    vmmProcess: { pid: process.pid },
    vmm,
    ledger: { held: [], releaseAll: async () => void steps.push('all is released') },
    share: { copiesFiles: true, idMap: undefined, removeContainer: nothing },
    disks: {
      all: [{ readonly: false, name: kernel, id: 'disk1', address: { driver: 'scsi', address: '0:0' } }],
    },
    cpus: { place: nothing, forget: nothing },
    sizer: { size: plan, demand: nothing, forget: nothing },
  }
  const sandbox = new Sandbox(parts as unknown as SandboxParts)
  const rootfs = ['written', 'overlay'].map((source) => ({ type: '', source, options: [], target: '' }))
  await sandbox.createContainer({ id: 'pod', bundle: '/b', rootfs, spec: {}, rights: deviceRights({}) })
  return { sandbox, end, directory: `${stateDir}/saved` }
}

test('a stop that comes as its machine has just been saved for good asks nothing of a guest that never answers', async () => {
  const steps: string[] = []
  const vmm = {
    save: async ({ state }: { state: number }) => writeFileSync(state, 'memory'),
    stop: async () => void steps.push('the machine ends'),
  }
  const { sandbox, directory } = await saveableSandbox(vmm, steps)
  let stop: Promise<void> | undefined
  await sandbox.save({
    directory,
    // Looked at once it has its name, before its end is asked for: the end of the shim may be, too.
    get ends() {
      if (existsSync(directory)) stop ??= sandbox.stop()
      return true
    },
    signal: new AbortController().signal,
  })
  expect(await Promise.race([stop!.then(() => 'stopped'), Bun.sleep(2000)])).toBe('stopped')
  expect(steps).toEqual(['the agent is left', 'the machine ends', 'all is released'])
})

test('a stop while the machine is being written ends it, and the save by that', async () => {
  const steps: string[] = []
  const written = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const vmm = {
    // As QEMU: it looks at no signal, and its commands fail once it has ended.
    save: () => {
      begun.resolve()
      return written.promise
    },
    goOn: () => Promise.reject(disconnected('cont')),
    stop: async () => {
      steps.push('the machine ends')
      written.reject(disconnected('query-migrate'))
    },
  }
  const { sandbox, directory } = await saveableSandbox(vmm, steps, { resumeContainer: () => never })
  rmSync(directory, { recursive: true, force: true })
  const saving = sandbox.save({ directory, ends: false, signal: new AbortController().signal })
  const saved = saving.catch(({ code }) => steps.push(`the save fails: ${code}`))
  await begun.promise
  expect(await Promise.race([sandbox.stop().then(() => 'stopped'), Bun.sleep(2000)])).toBe('stopped')
  await saved
  expect(steps.slice(0, 2)).toEqual(['the agent is left', 'the machine ends'])
  expect(steps.slice(2).sort()).toEqual(['all is released', 'the save fails: VMM_DISCONNECTED'])
  expect(existsSync(`${directory}.new`)).toBe(false)
})

test('a second save while one is under way is refused, and keeps neither from ending', async () => {
  const steps: string[] = []
  const written = Promise.withResolvers<void>()
  const vmm = {
    save: async ({ state }: { state: number }) => {
      writeFileSync(state, 'memory')
      await written.promise
    },
    stop: nothing,
  }
  // As all calls to a guest that is at rest.
  let calls = 0
  const syncFileSystems = () => (calls++ === 0 ? undefined : never)
  const { sandbox, directory } = await saveableSandbox(vmm, steps, { syncFileSystems })
  rmSync(directory, { recursive: true, force: true })
  const { signal } = new AbortController()
  const first = sandbox.save({ directory, ends: true, signal })
  const second = () => {
    const saving = sandbox.save({ directory: `${directory}-2`, ends: false, signal })
    return Promise.race([saving.catch(String), Bun.sleep(2000)])
  }
  expect(await second()).toContain('[CHECKPOINT_REFUSED] the machine of pod cannot be saved: another save')
  written.resolve()
  await first
  // It stands still for good, and its end is about to be asked for.
  expect(await second()).toContain('[CHECKPOINT_REFUSED]')
  await sandbox.stop()
  expect(steps).toEqual(['the agent is left', 'all is released'])
})

const disconnected = (command: string) => new KataError('VMM_DISCONNECTED', { command })
const killed: VmEnd = {
  reason: 'exited',
  exit: { code: null, signal: 'SIGKILL' },
  consoleTail: '',
  logTail: '',
}

test.each([
  ['while its memory is written', 'memory', killed, 'sandbox pod died: the VMM ended (SIGKILL)'],
  ['before that', 'pause', killed, 'sandbox pod died: the VMM ended (SIGKILL)'],
  ['and nothing more is known', 'memory', undefined, 'sandbox pod died: it did not go on after'],
] as const)(
  'a machine that dies as it is saved, %s: its end is the reason',
  async (_, when, sign, reason) => {
    const gone = () => {
      // Its connections close before it is waited for.
      if (sign !== undefined) setTimeout(() => end.tell('machine', sign), 20)
      return when === 'pause'
        ? Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }))
        : Promise.reject(disconnected('query-migrate'))
    }
    const vmm = { save: gone, goOn: () => Promise.reject(disconnected('cont')), stop: nothing }
    const guest = { ...(when === 'pause' && { pauseContainer: gone }), resumeContainer: nothing }
    const { sandbox, end, directory } = await saveableSandbox(vmm, [], guest)
    rmSync(directory, { recursive: true, force: true })
    const saving = sandbox.save({ directory, ends: true, signal: new AbortController().signal })
    const error = await saving.catch((failure) => failure)
    expect(error.message).toContain('[CHECKPOINT_LOST] the machine of pod ended before it was saved: ')
    expect(error.message).toContain(reason)
    expect(error.message).toContain('`kata-ts start pod` boots the container')
    expect(existsSync(`${directory}.new`)).toBe(false)
  },
)

test('a save that fails by the end that was asked for is not called a death', async () => {
  const vmm = {
    save: () => {
      end.tell('asked', true)
      return Promise.reject(disconnected('query-migrate'))
    },
    goOn: () => Promise.reject(disconnected('cont')),
  }
  const { sandbox, end, directory } = await saveableSandbox(vmm, [])
  rmSync(directory, { recursive: true, force: true })
  const saving = sandbox.save({ directory, ends: true, signal: new AbortController().signal })
  await expect(saving).rejects.toThrow('[VMM_DISCONNECTED]')
})

test.each([
  ['no disk that outlives it', false, 5000],
  ['such a disk, which it may have to write back', true, 60_000],
])('how long a guest may take to end that has %s', async (_what, areWritten, expected) => {
  const limits: (number | undefined)[] = []
  const destroySandbox = async (_request: object, { timeoutMs }: { timeoutMs?: number }) =>
    void limits.push(timeoutMs)
  const parts = {
    id: 'pod',
    agentFacts: facts,
    log: silentLogger,
    network,
    paths: { runDir: '/absent', stateDir },
    config: { hypervisor: {}, runtime: {} },
    agent: { agent: { destroySandbox }, health: { check: () => never }, close: () => {} },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmmProcess: { pid: 7 },
    vmm: { stop: nothing },
    ledger: { releaseAll: nothing },
    disks: { areWritten },
  }
  await new Sandbox(parts as unknown as SandboxParts).stop()
  expect(limits).toEqual([expected])
})

test.each([
  ['a pod’s own container', { 'io.kubernetes.cri.container-type': 'sandbox' }, 285n],
  ['a container of a pod', { 'io.kubernetes.cri.container-type': 'container' }, 1n],
  ['a single container', {}, 1n],
])('the statistics of %s', async (_, annotations, expected) => {
  const usage = (bytes: bigint) => CgroupStats.fromPartial({ memoryStats: { usage: { usage: bytes } } })
  const parts = {
    id: 'pod',
    agentFacts: facts,
    log: silentLogger,
    ledger: {},
    network,
    paths: { stateDir },
    config: {
      hypervisor: { driver: 'qemu' },
      runtime: { disableGuestSeccomp: true, createContainerTimeout: 60 },
    },
    agent: {
      agent: { createContainer: nothing, statsContainer: async () => ({ cgroupStats: usage(1n) }) },
      health: { check: () => never },
    },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmm: {},
    vmmProcess: { pid: 7 },
    share: { idMap: undefined, addRootfs: async () => ({ path: '/rootfs', storages: [] }) },
    modules: noBringer,
    cpus: { place: nothing, forget: nothing },
    sizer: { demand: nothing },
    hostUsage: () => usage(285n),
  }
  const sandbox = new Sandbox(parts as unknown as SandboxParts)
  const spec = { annotations, process: { args: ['x'], cwd: '/' }, root: { path: '/' } }
  const request = { id: 'c', bundle: '/b', rootfs: [], spec, rights: deviceRights(spec) }
  const { cgroupStats } = await (await sandbox.createContainer(request)).stats()
  expect(cgroupStats?.memoryStats?.usage?.usage).toBe(expected)
})

/**
 * A sandbox whose guest makes every container but those that it refuses; `steps` are those of a removal, of which the share's fails as `shareFails`
 * says.
 */
function sandboxThatTells(
  shareFails: boolean,
  guestRemoves?: (request: object, options?: { timeoutMs?: number }) => Promise<void>,
  { copiesFiles = false, refuses = (_id: string): boolean => false, scratch = [] as { path: string }[] } = {},
) {
  const steps: string[] = []
  const warnings: unknown[] = []
  const vcpus: number[] = []
  const step = (name: string) => async (of: string | { containerId: string }) =>
    void steps.push(`${name} ${typeof of === 'string' ? of : of.containerId}`)
  const parts = {
    id: 'pod',
    agentFacts: facts,
    network,
    paths: { stateDir },
    log: { ...silentLogger, warn: (_: string, more: unknown) => void warnings.push(more) },
    ledger: {
      dataOf: ({ kind }: { kind: string }) => (kind === 'emptydir-disk' ? scratch : []),
      take: () => Promise.reject(new Error('no process')),
      release: async (_: object, matches: (data: { path: string }) => boolean) => {
        for (const { path } of scratch.filter(matches)) await step('scratch')(path)
      },
    },
    config: {
      hypervisor: { driver: 'qemu' },
      runtime: { disableGuestSeccomp: true, createContainerTimeout: 60 },
    },
    agent: {
      agent: {
        createContainer: async ({ containerId }: { containerId: string }) => {
          if (refuses(containerId)) throw new TtrpcError('internal', 'the guest says no', { isAnswer: true })
        },
        updateContainer: nothing,
        removeContainer: guestRemoves ?? step('guest'),
      },
      health: { check: () => never },
    },
    end: new MachineEnd({ id: 'pod', program: 'vmm', consoleTail: () => '', outOfMemory: () => undefined }),
    vmm: {},
    vmmProcess: { pid: 7 },
    share: {
      copiesFiles,
      idMap: undefined,
      addRootfs: async (id: string) => {
        if (id === 'unready') throw new Error('no disk can be made')
        return { path: '/rootfs', storages: [] }
      },
      removeContainer: (id: string) =>
        shareFails ? Promise.reject(new Error('the mount is busy')) : step('share')(id),
    },
    modules: noBringer,
    disks: {
      detach: async (id: string, { isHeld }: { isHeld: boolean }) => {
        await step('disks')(id)
        return isHeld ? ['/dev/sdb'] : []
      },
    },
    cpus: { place: nothing, forget: step('cpus') },
    sizer: {
      demand: async (_id: string, demand: Demand) => void vcpus.push(demand.vcpus),
      forget: step('memory'),
    },
  }
  const sandbox = new Sandbox(parts as unknown as SandboxParts)
  const specOf = (annotations: Record<string, string>) => ({
    annotations,
    process: { args: ['x'], cwd: '/' },
    root: { path: '/' },
    linux: { namespaces: [{ type: 'pid' }] },
  })
  const create = (id: string, annotations = {}) => {
    const spec = specOf(annotations)
    return sandbox.createContainer({ id, bundle: '/b', rootfs: [], spec, rights: deviceRights(spec) })
  }
  return { create, steps, warnings, vcpus }
}

test.each([
  ['of a pod has', { 'io.kubernetes.cri.container-type': 'container' }, [0, 0, 4, 6]],
  ['without a pod has', {}, [0, 4, 4, 6]],
])(
  'processors that a container %s for itself count in the machine’s size',
  async (_, annotations, expected) => {
    const { create, vcpus } = sandboxThatTells(false)
    const container = await create('c', annotations)
    for (const cpu of [{ cpus: '0-3' }, { quota: -1 }, { cpus: '0-5' }]) await container.update({ cpu })
    expect(vcpus).toEqual(expected)
  },
)

test('a disk that its guest has not let go of stays in the machine, and the log names it', async () => {
  const slow = async () => {
    throw new TtrpcError('deadline_exceeded', 'no answer within 60000 ms')
  }
  const { create, steps, warnings } = sandboxThatTells(false, slow)
  const container = await create('c')
  await expect(container.remove()).rejects.toThrow('no answer within 60000 ms')
  expect(steps).toEqual(['share c', 'disks c', 'memory c', 'cpus c'])
  expect(warnings).toEqual([{ id: 'c', disks: ['/dev/sdb'] }])
})

test('what of a container cannot be released keeps nothing else from being released', async () => {
  const { create, steps } = sandboxThatTells(true)
  const container = await create('c')
  await expect(container.remove()).rejects.toThrow('the mount is busy')
  expect(steps).toEqual(['guest c', 'disks c', 'memory c', 'cpus c'])
})

test('the disk of what a container has written goes once the machine has let go of it, and no other', async () => {
  const scratch = ['c', 'd'].map((id) => ({ path: `/upper/.kata-ts-${id}.img` }))
  const { create, steps } = sandboxThatTells(false, undefined, { scratch })
  await (await create('c')).remove()
  expect(steps).toEqual([
    ...['guest c', 'share c', 'disks c', 'scratch /upper/.kata-ts-c.img', 'memory c', 'cpus c'],
  ])
})

test('limits that come after the end of their container make the machine no larger', async () => {
  const { create, vcpus } = sandboxThatTells(false)
  const container = await create('c')
  await container.update({ cpu: { quota: 200_000, period: 100_000 } })
  await container.remove()
  await container.update({ cpu: { quota: 800_000, period: 100_000 } })
  expect(vcpus).toEqual([0, 2])
})

test('a container that fails once it is in the guest leaves the guest before the host takes back what it had', async () => {
  const { create, steps } = sandboxThatTells(false)
  await create('c')
  // It needs a process that stands for it.
  await expect(create('d')).rejects.toThrow('no process')
  expect(steps).toEqual(['guest d', 'share d', 'disks d', 'memory d', 'cpus d'])
})

test.each(['unready', 'refused'])(
  'a container that was not made (%s) leaves no copies of files in the guest, once the copying has stopped',
  async (id) => {
    const refuses = (asked: string) => asked === 'refused'
    const { create, steps } = sandboxThatTells(false, undefined, { copiesFiles: true, refuses })
    await expect(create(id)).rejects.toThrow()
    expect(steps).toEqual([`share ${id}`, `disks ${id}`, `memory ${id}`, `cpus ${id}`, `guest ${id}`])
    const shared = sandboxThatTells(false, undefined, { refuses })
    await expect(shared.create(id)).rejects.toThrow()
    expect(shared.steps).not.toContain(`guest ${id}`)
  },
)

test('a guest that never answers holds up a failed container with copied files for one limit of a call, and a moment', async () => {
  const limits: (number | undefined)[] = []
  const guestRemoves = async (_: object, { timeoutMs }: { timeoutMs?: number } = {}) => {
    limits.push(timeoutMs)
    throw new TtrpcError('deadline_exceeded', 'no answer in time')
  }
  const { create } = sandboxThatTells(false, guestRemoves, { copiesFiles: true })
  await create('c')
  // Its stand-in cannot be made, once it is in the guest.
  await expect(create('d')).rejects.toThrow('no process')
  expect(limits).toEqual([undefined, 5000])
})

test('a direct volume that no container has is refused by name', async () => {
  const volume = '/volumes/pv'
  expect(() => sandboxWith(facts).volumeStats(volume)).toThrow('[DIRECT_VOLUME_UNUSED]')
  await expect(sandboxWith(facts).resizeVolume(volume, 512n)).rejects.toThrow('[DIRECT_VOLUME_UNUSED]')
})
