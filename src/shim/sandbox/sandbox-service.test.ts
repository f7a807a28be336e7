/** The Sandbox service beside the Task service, over ttrpc, in the order in which containerd 2 calls. */

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { getEventListeners } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import type { DeepPartial } from '../../protobuf/message.ts'
import { CgroupStats, StatsContainerResponse } from '../../protocol/generated/agent.ts'
import { Metrics as MetricsV1 } from '../../protocol/generated/containerd/cgroups_v1.ts'
import { Metrics as MetricsV2 } from '../../protocol/generated/containerd/cgroups_v2.ts'
import { SandboxDefinition } from '../../protocol/generated/containerd/sandbox.ts'
import type { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { PodSandboxConfig } from '../../protocol/generated/cri/runtime.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import { neverHeldUp } from '../../sandbox/guest/health.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { until } from '../../time.ts'
import { connect, createClient, serve, service, TtrpcError, transportPair } from '../../ttrpc/ttrpc.ts'
import { Pod } from '../daemon/pod.ts'
import { toStatus } from '../daemon/status.ts'
import { TaskService } from '../task/task-service.ts'
import { SandboxService } from './sandbox-service.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(`${tmpdir()}/sandbox-`)
})
afterEach(() => rmSync(bundle, { recursive: true }))

const podConfig = (config: DeepPartial<PodSandboxConfig> = {}) => ({
  typeUrl: 'runtime.v1.PodSandboxConfig',
  value: PodSandboxConfig.encode(PodSandboxConfig.fromPartial({ hostname: 'web', ...config })).finish(),
})

/** Both services of one pod behind a connection, over a double of its machine. */
function shim({
  held = '',
  refuses = false,
  starts = Promise.resolve(),
  statsFail = undefined as Error | undefined,
} = {}) {
  const came = {
    sandboxes: [] as { request: CreateTaskRequest; container: ContainerRequest }[],
    containers: [] as ContainerRequest[],
    stops: 0,
    shutdowns: 0,
  }
  const died = Promise.withResolvers<KataError>()
  const stopped = Promise.withResolvers<void>()
  const never = new Promise<never>(() => {})
  const init = { start: async () => {}, wait: () => never, output: async () => {}, input: async () => {} }
  const usage = {
    cgroupStats: { memoryStats: { usage: { usage: 1000n } }, pidsStats: { current: 2n } },
    networkStats: [{ name: 'eth0', rxBytes: 7n }],
  }
  const cost = { memoryStats: { usage: { usage: 285_000n } }, pidsStats: { current: 30n } }
  const machine = {
    pid: 4242,
    died: died.promise,
    stopped: stopped.promise,
    heldUp: neverHeldUp(),
    waited: () => 0,
    watchOom: async () => {},
    hostUsage: () => CgroupStats.fromPartial(cost),
    attachLateNetwork: async () => {},
    stop: async () => {
      came.stops++
      stopped.resolve()
      if (held !== '') throw new KataError('RELEASE_FAILED', { held, reason: 'EBUSY' })
    },
    createContainer: async (request: ContainerRequest) => {
      if (refuses) throw new Error('no room')
      came.containers.push(request)
      const stats = async () => {
        if (statsFail !== undefined) throw statsFail
        return StatsContainerResponse.fromPartial(usage)
      }
      return { pid: 1, init, stats, remove: async () => {} }
    },
  }
  const pod = new Pod({
    id: 'pod',
    createSandbox: async (request, container, signal) => {
      await Promise.race([
        starts,
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ])
      came.sandboxes.push({ request, container })
      return machine as unknown as Sandbox
    },
    onDied: () => {},
    onLeft: () => {},
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const tasks: TaskService = new TaskService({
    pod,
    events: { publish: () => {}, flush: async () => {} },
    records: { add: () => {}, remove: () => {} },
    log: silentLogger,
    namespace: 'k8s.io',
    clientReturns: true,
    complete: (spec) => sandbox.complete(spec),
  })
  const sandbox: SandboxService = new SandboxService({
    pod,
    runtimeOptions: () => ({ typeUrl: 'runtimeoptions.v1.Options', value: new Uint8Array([7]) }),
    networkStats: () => tasks.networkStats(),
    onShutdown: () => came.shutdowns++,
  })
  const [client, server] = transportPair()
  serve(server, [service(TaskDefinition, tasks), service(SandboxDefinition, sandbox)], { toStatus })
  const connection = connect(client)
  const calls = createClient(SandboxDefinition, connection)
  const create = (config?: DeepPartial<PodSandboxConfig>) =>
    calls.createSandbox({
      sandboxId: 'pod',
      bundlePath: bundle,
      netnsPath: '/run/netns/a',
      options: podConfig(config),
    })
  return {
    came,
    died,
    over: pod.over,
    calls,
    create,
    tasks: createClient(TaskDefinition, connection),
    started: async (config?: DeepPartial<PodSandboxConfig>) => {
      await create(config)
      return calls.startSandbox({ sandboxId: 'pod' })
    },
  }
}

const pod = { sandboxId: 'pod' }
const failure = (call: Promise<unknown>): Promise<Pick<TtrpcError, 'code' | 'message'>> =>
  call.then(
    () => {
      throw new Error('the call should have failed')
    },
    (error: TtrpcError) => error,
  )
/** A container's bundle as containerd writes it for a pod. */
function container(id: string, spec: object = {}): { id: string; bundle: string } {
  const own = mkdtempSync(`${bundle}/${id}-`)
  writeFileSync(`${own}/config.json`, JSON.stringify(spec))
  return { id, bundle: own }
}

describe('a pod from its creation to its end', () => {
  test('CreateSandbox makes no machine, StartSandbox makes one of what was said, and tasks go into it', async () => {
    const { came, calls, tasks, create } = shim()
    await create({ metadata: { uid: 'u-1' }, linux: { cgroupParent: '/kubepods/pod1' } })
    expect(came.sandboxes).toEqual([])
    const { pid, createdAt } = await calls.startSandbox(pod)
    expect(pid).toBe(4242)
    expect(Number(createdAt!.seconds)).toBeGreaterThan(1_700_000_000)
    const [{ request, container: first }] = came.sandboxes as [(typeof came.sandboxes)[number]]
    expect(request).toMatchObject({
      id: 'pod',
      bundle,
      options: { typeUrl: 'runtimeoptions.v1.Options', value: new Uint8Array([7]) },
    })
    expect(first.spec).toMatchObject({
      hostname: 'web',
      annotations: { 'io.kubernetes.cri.container-type': 'sandbox', 'io.kubernetes.cri.sandbox-uid': 'u-1' },
      linux: {
        cgroupsPath: '/kubepods/pod1/pod',
        namespaces: [{ type: 'network', path: '/run/netns/a' }],
      },
    })
    await tasks.create(container('one'))
    await tasks.create(container('two'))
    expect(came.sandboxes).toHaveLength(1)
    expect(came.containers.map(({ id }) => id)).toEqual(['one', 'two'])
  })

  test('nothing is kept of a client that gives up its wait for the end of the pod', async () => {
    const { calls, over } = shim()
    const listeners = () => getEventListeners(over, 'abort').length
    const before = listeners()
    await failure(calls.waitSandbox(pod, { timeoutMs: 5 }))
    await until(() => listeners() === before, { timeoutMs: 2000 })
    expect(listeners()).toBe(before)
  })

  test('the platform is that of the guest', async () => {
    const { calls } = shim()
    expect((await calls.platform(pod)).platform).toMatchObject({ os: 'linux', architecture: 'amd64' })
  })

  test('its status: not ready, ready with the VMM’s pid, and not ready with the time of its end', async () => {
    const { calls, create } = shim()
    await create()
    expect(await calls.sandboxStatus(pod)).toMatchObject({ state: 'SANDBOX_NOTREADY', createdAt: undefined })
    expect((await failure(calls.pingSandbox(pod))).code).toBe('failed_precondition')
    await calls.startSandbox(pod)
    const status = await calls.sandboxStatus({ ...pod, verbose: true })
    expect(status).toMatchObject({ state: 'SANDBOX_READY', pid: 4242, exitedAt: undefined })
    expect(JSON.parse(status.info.info!)).toEqual({ pid: 4242, processStatus: 'running' })
    expect(await calls.pingSandbox(pod)).toEqual({})
    await calls.stopSandbox(pod)
    const after = await calls.sandboxStatus({ ...pod, verbose: true })
    expect(after).toMatchObject({ state: 'SANDBOX_NOTREADY', pid: 0 })
    expect(after.exitedAt).toBeDefined()
    expect(JSON.parse(after.info.info!)).toEqual({ pid: 0, processStatus: 'stopped' })
    expect((await failure(calls.pingSandbox(pod))).message).toContain('it is stopped')
  })

  test('WaitSandbox answers 0 when the end was asked for', async () => {
    const { calls, started } = shim()
    await started()
    const waiting = calls.waitSandbox(pod)
    await calls.stopSandbox(pod)
    const { exitStatus, exitedAt } = await waiting
    expect({ exitStatus, isTold: exitedAt !== undefined }).toEqual({ exitStatus: 0, isTold: true })
  })

  test('WaitSandbox answers 255 when the machine died, and the status says why', async () => {
    const { calls, started, died } = shim()
    await started()
    const waiting = calls.waitSandbox(pod)
    died.resolve(new KataError('SANDBOX_DIED', { id: 'pod', reason: 'QEMU was killed', tail: '' }))
    expect((await waiting).exitStatus).toBe(255)
    const { state, info } = await calls.sandboxStatus({ ...pod, verbose: true })
    expect({ state, reason: info.reason }).toEqual({
      state: 'SANDBOX_NOTREADY',
      reason: expect.stringContaining('QEMU was killed'),
    })
  })

  test('StopSandbox gives up a start that goes on', async () => {
    const { calls, create } = shim({ starts: new Promise(() => {}) })
    await create()
    const starting = failure(calls.startSandbox(pod))
    await calls.stopSandbox(pod)
    expect((await starting).message).toContain('START_GIVEN_UP')
    expect((await failure(calls.startSandbox(pod))).message).toContain('it is stopped')
  })

  test('a start that takes longer than its client waits is given up', async () => {
    const { calls, create } = shim({ starts: new Promise(() => {}) })
    await create()
    expect((await failure(calls.startSandbox(pod, { timeoutMs: 20 }))).code).toBe('deadline_exceeded')
    expect((await calls.waitSandbox(pod)).exitStatus).toBe(0)
    expect((await failure(calls.startSandbox(pod))).message).toContain('it is stopped')
  })

  test('ShutdownSandbox ends the machine and the shim', async () => {
    const { came, calls, started } = shim()
    await started()
    await calls.shutdownSandbox(pod)
    expect(came).toMatchObject({ stops: 1, shutdowns: 1 })
  })

  test('what a stop leaves is told once, and does not hold up a client that asks again', async () => {
    const { came, calls, started } = shim({ held: 'tap tap0' })
    await started()
    expect((await failure(calls.stopSandbox(pod))).message).toContain('RELEASE_FAILED')
    expect(await calls.stopSandbox(pod)).toEqual({})
    expect((await failure(calls.shutdownSandbox(pod))).message).toContain('RELEASE_FAILED')
    expect(came.shutdowns).toBe(1)
  })
})

describe('tasks of a pod that stands alone', () => {
  test('one that fails, or is the last, leaves it running', async () => {
    const refusing = shim({ refuses: true })
    await refusing.started()
    await failure(refusing.tasks.create(container('one')))
    expect(refusing.came.stops).toBe(0)
    const { came, tasks, started, calls } = shim()
    await started()
    await tasks.create(container('one'))
    await tasks.delete({ id: 'one' })
    await tasks.shutdown({ id: 'one' })
    expect(came.stops).toBe(0)
    expect((await calls.sandboxStatus(pod)).state).toBe('SANDBOX_READY')
  })

  test('none comes before its start', async () => {
    const { came, tasks, create } = shim()
    await create()
    expect((await failure(tasks.create(container('one')))).message).toContain('it is not started')
    expect(came.sandboxes).toEqual([])
  })

  test('each gets the files, the shared memory and the sysctls of the pod', async () => {
    const { came, tasks, started } = shim()
    await started({
      dnsConfig: { servers: ['10.0.0.10'], searches: ['a.local', 'b.local'], options: ['ndots:5'] },
      linux: { sysctls: { 'net.ipv4.ip_forward': '1' } },
    })
    const hosts = { destination: '/etc/hosts', source: '/kubelet/hosts', type: 'bind', options: ['rbind'] }
    const ownShm = { destination: '/dev/shm', source: 'shm', type: 'tmpfs', options: ['size=64k'] }
    await tasks.create(container('one', { mounts: [ownShm, hosts] }))
    const { mounts = [], linux } = came.containers[0]!.spec
    expect(linux?.sysctl).toMatchObject({
      'net.ipv4.ip_forward': '1',
      'net.ipv4.ip_unprivileged_port_start': '0',
    })
    expect(mounts.map(({ destination }) => destination).sort()).toEqual([
      '/dev/shm',
      '/etc/hostname',
      '/etc/hosts',
      '/etc/resolv.conf',
    ])
    const source = (path: string) => mounts.find(({ destination }) => destination === path)!.source!
    expect(source('/etc/hosts')).toBe('/kubelet/hosts')
    expect(mounts.find(({ destination }) => destination === '/dev/shm')).toMatchObject({ type: 'bind' })
    expect(readFileSync(source('/etc/resolv.conf'), 'utf8')).toBe(
      'search a.local b.local\nnameserver 10.0.0.10\noptions ndots:5\n',
    )
    expect(readFileSync(source('/etc/hostname'), 'utf8')).toBe('web\n')
  })
})

describe('SandboxMetrics', () => {
  const memoryOf = async ({ calls }: ReturnType<typeof shim>) => {
    const { metrics } = await calls.sandboxMetrics(pod)
    expect(metrics).toMatchObject({ id: 'pod' })
    const { typeUrl, value } = metrics!.data!
    const isV1 = typeUrl === 'io.containerd.cgroups.v1.Metrics'
    const { network } = isV1 ? MetricsV1.decode(value) : { network: [] }
    const memory = isV1 ? MetricsV1.decode(value).memory!.usage!.usage : MetricsV2.decode(value).memory!.usage
    return { memory, isV1, traffic: network.map(({ name, rxBytes }) => `${name} ${rxBytes}`) }
  }

  test('are what the pod costs the host, with containers or without, and the traffic of the pod once', async () => {
    const machine = shim()
    await machine.started()
    expect(await memoryOf(machine)).toMatchObject({ memory: 285_000n, traffic: [] })
    for (const id of ['one', 'two']) {
      await machine.tasks.create(container(id))
      await machine.tasks.start({ id })
    }
    const { memory, isV1, traffic } = await memoryOf(machine)
    expect({ memory, traffic }).toEqual({ memory: 285_000n, traffic: isV1 ? ['eth0 7'] : [] })
  })

  test.each([
    ['does not answer', new TtrpcError('deadline_exceeded', 'no answer within 5000 ms')],
    ['refuses, as of a container that ends', new TtrpcError('not_found', 'no container', { isAnswer: true })],
  ])('are without the traffic where the guest %s', async (_, statsFail) => {
    const machine = shim({ statsFail })
    await machine.started()
    await machine.tasks.create(container('one'))
    await machine.tasks.start({ id: 'one' })
    expect(await memoryOf(machine)).toMatchObject({ memory: 285_000n, traffic: [] })
  })

  test('there are none before the start and after the end', async () => {
    const { calls, create } = shim()
    await create()
    expect((await failure(calls.sandboxMetrics(pod))).message).toContain('it is not started')
    await calls.startSandbox(pod)
    await calls.stopSandbox(pod)
    expect((await failure(calls.sandboxMetrics(pod))).message).toContain('it is stopped')
  })
})

describe('what is refused', () => {
  test.each([
    ['a root file system', { rootfs: [{ type: 'bind', source: '/' }] }, 'root file system'],
    ['options of another client', { options: { typeUrl: 'x.y.Z', value: new Uint8Array() } }, 'x.y.Z'],
    [
      'options that are none',
      { options: { ...podConfig(), value: new Uint8Array([0xff]) } },
      'cannot be read',
    ],
    ['a name of two lines', { options: podConfig({ hostname: 'a\nb' }) }, 'no name or address'],
    ['a server of two lines', { options: podConfig({ dnsConfig: { servers: ['1.1.1.1\nx'] } }) }, 'no name'],
  ])('%s', async (_, more, text) => {
    const { calls } = shim()
    const { code, message } = await failure(calls.createSandbox({ ...pod, bundlePath: bundle, ...more }))
    expect({ code, message }).toEqual({ code: 'invalid_argument', message: expect.stringContaining(text) })
    expect(message).toContain('SANDBOX_REQUEST')
    expect(existsSync(`${bundle}/pod/hosts`)).toBe(false)
  })

  test('another sandbox, one that was not created, and one that exists', async () => {
    const { calls, create } = shim()
    expect((await failure(calls.sandboxStatus({ sandboxId: 'other' }))).code).toBe('not_found')
    expect((await failure(calls.startSandbox(pod))).message).toContain('it is not created')
    const [, second] = await Promise.allSettled([create(), create()])
    expect(second).toMatchObject({ reason: { code: 'already_exists' } })
    expect((await failure(create())).code).toBe('already_exists')
  })

  test('one that could not be created can be created after that', async () => {
    const { create } = shim()
    expect((await failure(create({ hostname: 'two words' }))).message).toContain('SANDBOX_REQUEST')
    await create()
  })
})
