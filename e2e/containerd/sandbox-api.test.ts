/** containerd 2: pods with a sandbox container, as 1.7 makes them, and pods that the shim itself makes (`sandboxer = "shim"`). */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindMount, mount, mountFlags, unmountBelow } from '../../src/linux/mounts/mount.ts'
import {
  Metrics as MetricsV1,
  type Metrics as V1,
} from '../../src/protocol/generated/containerd/cgroups_v1.ts'
import { Metrics as MetricsV2 } from '../../src/protocol/generated/containerd/cgroups_v2.ts'
import { SandboxDefinition } from '../../src/protocol/generated/containerd/sandbox.ts'
import { ContainerState, NamespaceMode, PodSandboxState } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir, shimSocketPath } from '../../src/sandbox/records/paths.ts'
import { connectUnix } from '../../src/ttrpc/bun.ts'
import { connect, createClient } from '../../src/ttrpc/ttrpc.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { shimsBelow } from '../harness/host/processes.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { podCgroup } from './cgroups.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { containerd2, hasContainerd2, noContainerd2 } from './containerd-2.ts'
import { failureOf, type Pod } from './cri.ts'
import { busyboxImage } from './images.ts'

setDefaultTimeout(slow(120_000))

const handlers = { podsandbox: 'kata-ts', shim: 'kata-ts-shim' } as const
const modes = Object.keys(handlers) as (keyof typeof handlers)[]

let before: HostState
let containerd: Containerd
beforeAll(async () => {
  if (!hasContainerd2) return
  containerd = await Containerd.start({
    programs: containerd2,
    handlers: {
      [handlers.podsandbox]: { sandboxer: 'podsandbox' },
      [handlers.shim]: { sandboxer: 'shim' },
      misled: { sandboxer: 'shim', configPath: '/nowhere/kata.toml' },
    },
  })
  // The first pod makes the bridge and the cgroup of all.
  await (await containerd.cri.runPod({ handler: 'runc' })).remove()
  before = hostState(defaultRunDir)
})
afterAll(() => containerd?.close())

const calls = () => containerd.cri.calls
const sleeper = ['sh', '-c', 'exec sleep 1000']
const stateOf = async (podSandboxId: string) =>
  (await calls().podSandboxStatus({ podSandboxId })).status!.state
/** A connection that has just broken is an error to containerd, until it has looked after that. */
const notReady = (pod: Pod) =>
  eventually('the pod to be not ready', async () => {
    const state = await stateOf(pod.id).catch(() => undefined)
    return state === PodSandboxState.SANDBOX_NOTREADY || undefined
  })
const runPod = (mode: keyof typeof handlers, options: object = {}) =>
  containerd.cri.runPod({ handler: handlers[mode], ...options })
const left = () => leftBehind(before, hostState(defaultRunDir))
const nothingLeft = async () => {
  await eventually('nothing to be left', () => left().length === 0 || undefined).catch(() => {})
  expect(left()).toEqual([])
}

/** A directory that is a private mount. What is mounted below it reaches no shim that runs already. */
function privateDirectory() {
  const area = scratch()
  bindMount(area.path, area.path)
  mount({ source: 'none', target: area.path, flags: mountFlags.private })
  return {
    path: area.path,
    [Symbol.dispose]() {
      unmountBelow(area.path)
      area[Symbol.dispose]()
    },
  }
}

/** The Sandbox service of the pod's shim, asked as containerd asks. */
async function sandboxOf(pod: Pod) {
  const connection = connect(await connectUnix(shimSocketPath(defaultRunDir, 'k8s.io', pod.id)))
  return { sandbox: createClient(SandboxDefinition, connection), [Symbol.dispose]: () => connection.close() }
}

describe.skipIf(!hasContainerd2).each(modes)(`sandboxer = "%s"${noContainerd2}`, (mode) => {
  test('two containers in one machine: names, network, late volumes, shared memory, exec, statistics, ends', async () => {
    using volumes = privateDirectory()
    const pod = await runPod(mode, {
      config: { dnsConfig: { servers: ['192.0.2.53'], searches: ['a.test'], options: ['ndots:3'] } },
    })
    expect(await stateOf(pod.id)).toBe(PodSandboxState.SANDBOX_READY)
    expect(await pod.address()).toMatch(/^10\.89\.7\.\d+$/)
    expect(readlinkSync(`/proc/${await pod.pid()}/exe`)).toContain('qemu')
    const one = await pod.start(sleeper)
    const late = join(volumes.path, 'late')
    mkdirSync(late)
    mount({ source: 'tmpfs', target: late, type: 'tmpfs' })
    writeFileSync(join(late, 'word'), 'mounted after the pod began')
    const two = await pod.start(['sh', '-c', 'sleep 1000 & wait; exit 7'], {
      mounts: [{ containerPath: '/late', hostPath: late }],
    })
    const say = async (id: string, command: string) => (await pod.exec(id, ['sh', '-c', command])).stdout
    expect(await say(two, 'cat /late/word')).toBe('mounted after the pod began')
    const boot = 'cat /proc/sys/kernel/random/boot_id'
    expect(await say(one, boot)).toBe(await say(two, boot))
    expect(await say(one, 'hostname; cat /etc/hostname')).toBe(`${pod.config.hostname}\n`.repeat(2))
    expect(await say(two, 'cat /etc/resolv.conf')).toBe(
      'search a.test\nnameserver 192.0.2.53\noptions ndots:3\n',
    )
    expect(await say(two, 'grep -c localhost /etc/hosts')).not.toBe('0\n')
    expect(await say(one, 'ip addr show eth0')).toContain(await pod.address())
    await say(one, 'echo shared > /dev/shm/word')
    expect(await say(two, 'cat /dev/shm/word')).toBe('shared\n')
    expect(await pod.exec(one, ['sh', '-c', 'echo no >&2; exit 3'])).toEqual({
      stdout: '',
      stderr: 'no\n',
      exitCode: 3,
    })
    const { stats } = await calls().containerStats({ containerId: one })
    expect(stats?.memory?.workingSetBytes?.value).toBeGreaterThan(0n)
    await say(two, 'kill $(pgrep -x sleep | tail -1)').catch(() => {})
    await calls().stopContainer({ containerId: one, timeout: 0n })
    const { status } = await calls().containerStatus({ containerId: one })
    expect(status).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 137 })
    expect(await stateOf(pod.id)).toBe(PodSandboxState.SANDBOX_READY)
    await pod.remove()
    unmountBelow(volumes.path)
    await nothingLeft()
  })

  test('containers that share their processes: the end of the oldest ends no other, and orphans are waited for', async () => {
    const securityContext = { namespaceOptions: { pid: NamespaceMode.POD } }
    const linux = { resources: {}, securityContext }
    const pod = await runPod(mode, { config: { linux: { cgroupParent: `/${podCgroup}`, securityContext } } })
    const oldest = await pod.start(['sleep', '1234'], { linux })
    const other = await pod.start(sleeper, { linux })
    const processes = async (id: string) => (await pod.exec(id, ['ps', '-o', 'pid,stat,args'])).stdout
    // One that has only just started is still the runtime's own program.
    const shows = (id: string, what: RegExp) =>
      eventually(`${what}`, async () => what.test(await processes(id)) || undefined)
    await shows(other, /^ +1 S.* \/pause$[\s\S]*sleep 1234[\s\S]*sleep 1000/m)
    const { stdout: first } = await pod.exec(other, ['grep', '-E', '^(CapBnd|NoNewPrivs):', '/proc/1/status'])
    if (mode === 'shim') expect(first).toBe('CapBnd:\t0000000000000000\nNoNewPrivs:\t1\n')
    await calls().stopContainer({ containerId: oldest, timeout: 0n })
    await pod.exec(other, ['sh', '-c', '(sleep 0.1 &)'])
    await eventually(
      'the orphan to be gone',
      async () => !/ sleep 0.1|\bZ/.test(await processes(other)) || undefined,
    )
    const { status } = await calls().containerStatus({ containerId: other })
    expect(status!.state).toBe(ContainerState.CONTAINER_RUNNING)
    const later = await pod.start(['sleep', '4321'], { linux })
    await shows(later, /\/pause$[\s\S]*sleep 1000[\s\S]*sleep 4321/m)
    await pod.remove()
  })

  test('kill -9 of the VMM: the pod is not ready, its containers have ended, and nothing is left', async () => {
    const pod = await runPod(mode)
    const id = await pod.start(sleeper)
    process.kill(await pod.pid(), 'SIGKILL')
    await notReady(pod)
    await eventually('the container to have ended', async () => {
      const { status } = await calls().containerStatus({ containerId: id })
      return status?.state === ContainerState.CONTAINER_EXITED || undefined
    })
    const { items } = await calls().listPodSandbox({ filter: { id: pod.id } })
    expect(items.map(({ state }) => state)).toEqual([PodSandboxState.SANDBOX_NOTREADY])
    await pod.remove()
    await nothingLeft()
  })

  test('kill -9 of the shim: the pod is not ready, and nothing is left', async () => {
    const pod = await runPod(mode)
    await pod.start(sleeper)
    for (const shim of shimsBelow(containerd.files.state)) process.kill(shim, 'SIGKILL')
    await notReady(pod)
    // containerd notices the end of the pod, and that of its containers once it is started anew.
    await containerd.stopDaemon()
    await containerd.startDaemon()
    await pod.remove()
    await nothingLeft()
  })

  test('a pod survives containerd', async () => {
    const pod = await runPod(mode)
    const id = await pod.start(sleeper)
    await containerd.stopDaemon('SIGKILL')
    await containerd.startDaemon()
    expect(await stateOf(pod.id)).toBe(PodSandboxState.SANDBOX_READY)
    expect((await pod.exec(id, ['echo', 'on'])).stdout).toBe('on\n')
    await pod.remove()
    await nothingLeft()
  })

  test('a pod whose machine cannot start says why, and leaves nothing', async () => {
    const annotations = { 'io.katacontainers.config.hypervisor.default_memory': 'much' }
    expect(await failureOf(runPod(mode, { annotations }))).toContain('default_memory')
    await nothingLeft()
  })
})

describe.skipIf(!hasContainerd2)(`a pod that the shim makes${noContainerd2}`, () => {
  test('has no container of its own, and the shim tells of it: status, statistics, end', async () => {
    const pod = await runPod('shim', { config: { linux: { sysctls: { 'net.ipv4.ip_forward': '1' } } } })
    const one = await pod.start(['sh', '-c', 'head -c 20m /dev/zero > /dev/shm/fill; exec sleep 1000'])
    await pod.start(sleeper)
    const { stdout } = await containerd.ctr(['containers', 'ls', '-q'], { namespace: 'k8s.io' })
    expect(stdout.split('\n').filter(Boolean)).toHaveLength(2)
    expect((await pod.exec(one, ['cat', '/proc/sys/net/ipv4/ip_forward'])).stdout).toBe('1\n')
    using asked = await sandboxOf(pod)
    const { sandbox } = asked
    const id = { sandboxId: pod.id }
    const status = await sandbox.sandboxStatus({ ...id, verbose: true })
    expect(status).toMatchObject({ state: 'SANDBOX_READY', pid: await pod.pid() })
    await eventually('the memory that it uses', async () => {
      const { data } = (await sandbox.sandboxMetrics(id)).metrics!
      const isV1 = data!.typeUrl === 'io.containerd.cgroups.v1.Metrics'
      const used = isV1
        ? memoryOf(MetricsV1.decode(data!.value))
        : MetricsV2.decode(data!.value).memory!.usage
      // The guest's memory, the VMM and the shim: more than the containers use.
      return used > 64n << 20n || undefined
    })
    const waiting = sandbox.waitSandbox(id)
    process.kill(await pod.pid(), 'SIGKILL')
    expect((await waiting).exitStatus).toBe(255)
    const after = await sandbox.sandboxStatus({ ...id, verbose: true })
    expect(after.state).toBe('SANDBOX_NOTREADY')
    expect(after.info.reason).toContain('SANDBOX_DIED')
    await pod.remove()
    await nothingLeft()
  })

  test('its configuration file is the one that the runtime’s options name', async () => {
    expect(await failureOf(containerd.cri.runPod({ handler: 'misled' }))).toContain('/nowhere/kata.toml')
    await nothingLeft()
  })
})

const memoryOf = ({ memory }: V1): bigint => memory!.usage!.usage

describe.skipIf(!hasContainerd2)(`a task without a pod${noContainerd2}`, () => {
  test('ctr run', async () => {
    const run = ['run', '--rm', '--runtime', ourRuntime, busyboxImage, 'one', 'sh', '-c', 'echo out; exit 5']
    expect(await containerd.ctr(run)).toMatchObject({ code: 5, stdout: 'out\n' })
    await nothingLeft()
  })
})
