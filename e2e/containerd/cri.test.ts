// test:vmm: every VMM
/** What a kubelet does with a pod and its containers. One pod, and so one machine, serves most of it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { DeleteResponse } from '../../src/protocol/generated/containerd/task.ts'
import { ContainerState, NamespaceMode, PodSandboxState } from '../../src/protocol/generated/cri/runtime.ts'
import { podTest } from '../harness/cannot.ts'
import { shim } from '../harness/executable.ts'
import { eventually } from '../harness/kata.ts'
import { vmm } from '../harness/vmm.ts'
import { Containerd } from './containerd.ts'
import { failureOf, ownPids, type Pod } from './cri.ts'
import { RemoteProcess } from './streams.ts'

let containerd: Containerd
let pod: Pod
let logs: string
beforeAll(async () => {
  containerd = await Containerd.start()
  logs = `${containerd.files.root}/logs`
  mkdirSync(logs)
  pod = await containerd.cri.runPod({ config: { logDirectory: logs } })
})
afterAll(() => containerd.close())

const calls = () => containerd.cri.calls
const statusOf = async (containerId: string) => (await calls().containerStatus({ containerId })).status!
const exited = (containerId: string) =>
  eventually('the container to end', async () => {
    const status = await statusOf(containerId)
    return status.state === ContainerState.CONTAINER_EXITED ? status : undefined
  })
const resources = (memory: number, more = {}) => ({
  linux: { resources: { memoryLimitInBytes: BigInt(memory), ...more }, securityContext: ownPids },
})
const runningShims = () =>
  Bun.spawnSync(['pgrep', '-c', '-f', `shim-kata-ts-v2.*${pod.id}`])
    .stdout.toString()
    .trim()

describe('a container of a pod', () => {
  test('ends with its own code, and says so', async () => {
    const done = await exited(await pod.start(['sh', '-c', 'exit 0']))
    expect(done).toMatchObject({ exitCode: 0, reason: 'Completed' })
    const failed = await exited(await pod.start(['sh', '-c', 'exit 3']))
    expect(failed).toMatchObject({ exitCode: 3, reason: 'Error' })
    expect(failed.finishedAt).toBeGreaterThan(failed.startedAt)
  })

  test('its output is a log in the CRI format, stream by stream', async () => {
    const id = await pod.start(['sh', '-c', 'echo one; echo two >&2; echo -n three'], { logPath: 'c.log' })
    await exited(id)
    const lines = await eventually('the whole log', () => {
      const found = readFileSync(`${logs}/c.log`, 'utf8').split('\n').filter(Boolean)
      return found.length === 3 ? found : undefined
    })
    const parts = lines.map((line) => line.split(' ').slice(1).join(' ')).sort()
    expect(parts).toEqual(['stderr F two', 'stdout F one', 'stdout P three'])
    for (const line of lines) expect(Date.parse(line.split(' ')[0]!)).toBeGreaterThan(Date.now() - 60_000)
  })

  test('over its memory limit it is OOMKilled, and its neighbours live on', async () => {
    const neighbour = await pod.start(['sleep', '1000'])
    const eat = ['dd', 'if=/dev/zero', 'of=/dev/shm/food', 'bs=1M', 'count=40']
    const status = await exited(await pod.start(eat, resources(16 << 20)))
    expect(status).toMatchObject({ exitCode: 137, reason: 'OOMKilled' })
    expect((await statusOf(neighbour)).state).toBe(ContainerState.CONTAINER_RUNNING)
  })

  test('StopContainer: a handler gets its time, a deaf one is killed when it is over', async () => {
    const polite = 'trap "sleep 0.3; exit 5" TERM; >/ready; while :; do sleep 0.05; done'
    const deaf = 'trap "" TERM; >/ready; while :; do sleep 0.05; done'
    const [first, second] = await Promise.all([
      pod.start(['sh', '-c', polite]),
      pod.start(['sh', '-c', deaf]),
    ])
    for (const id of [first, second])
      await pod.exec(id, ['sh', '-c', 'until [ -e /ready ]; do sleep 0.05; done'])
    await calls().stopContainer({ containerId: first, timeout: 30n })
    expect(await statusOf(first)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 5 })
    await calls().stopContainer({ containerId: second, timeout: 1n })
    expect(await statusOf(second)).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exitCode: 137 })
  })

  test('restart: a new attempt takes the place of the one that ended, in the same machine', async () => {
    const attempt = (number: number) =>
      pod.start(['sh', '-c', `exit ${number}`], { metadata: { name: 'again', attempt: number } })
    const boot = ['cat', '/proc/sys/kernel/random/boot_id']
    const witness = await pod.start(['sleep', '1000'])
    const machine = (await pod.exec(witness, boot)).stdout
    for (const number of [1, 2, 3]) {
      const id = await attempt(number)
      expect((await exited(id)).exitCode).toBe(number)
      await calls().removeContainer({ containerId: id })
    }
    expect((await pod.exec(witness, boot)).stdout).toBe(machine)
    expect(runningShims()).toBe('1')
  })

  test('init containers: one after the other before the main one, which sees what they left', async () => {
    const { uid } = pod.config.metadata!
    const shared = `${containerd.files.root}/pods/${uid}/volumes/kubernetes.io~empty-dir/shared`
    mkdirSync(shared, { recursive: true })
    const mounts = [{ containerPath: '/shared', hostPath: shared }]
    for (const name of ['one', 'two']) {
      const id = await pod.start(['sh', '-c', `echo ${name} >> /shared/order`], { mounts })
      expect((await exited(id)).exitCode).toBe(0)
    }
    const main = await pod.start(['sleep', '1000'], { mounts })
    expect((await pod.exec(main, ['cat', '/shared/order'])).stdout).toBe('one\ntwo\n')
  })
})

describe('processes in a running container', () => {
  let id: string
  beforeAll(async () => {
    id = await pod.start(['sh', '-c', 'while read line; do echo "got $line"; done; exit 4'], {
      stdin: true,
      stdinOnce: false,
      logPath: 'attached.log',
      ...resources(64 << 20),
    })
  })

  test('ExecSync: output, exit code, a missing command and a time limit', async () => {
    expect(await pod.exec(id, ['sh', '-c', 'echo out; echo err >&2; exit 9'])).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 9,
    })
    expect(await failureOf(pod.exec(id, ['no-such-command']))).toContain('no-such-command')
    expect(await failureOf(pod.exec(id, ['sleep', '1000'], 1))).toContain('timeout 1s exceeded')
    expect((await pod.exec(id, ['sh', '-c', 'pgrep sleep | wc -l'])).stdout).toBe('0\n')
  })

  test('10 MB of output through ExecSync arrive whole', async () => {
    const { stdout } = await pod.exec(id, ['sh', '-c', 'yes 0123456789abcde | head -c 10485760'])
    expect(stdout.length).toBe(10 << 20)
  })

  test('Exec streams both ways, and ends with the exit code', async () => {
    const { url } = await calls().exec({
      containerId: id,
      cmd: ['sh', '-c', 'read a; echo "<$a>"; echo err >&2; exit 6'],
      stdin: true,
      stdout: true,
      stderr: true,
    })
    const remote = new RemoteProcess(url)
    await remote.write('hello\n')
    expect(await remote.ended).toEqual({ status: 'Failure', exitCode: 6 })
    expect({ stdout: remote.stdout, stderr: remote.stderr }).toEqual({ stdout: '<hello>\n', stderr: 'err\n' })
  })

  test('Exec with a terminal follows its size', async () => {
    const sizes = [
      [101, 33],
      [80, 24],
    ] as const
    // A size is told beside the input, and may come after a line of it.
    const shown = sizes.map(
      ([columns, rows]) => `until stty size 2>/dev/null | grep "^${rows} ${columns}"; do sleep 0.1; done`,
    )
    const { url } = await calls().exec({
      containerId: id,
      cmd: ['sh', '-c', shown.join('; ')],
      tty: true,
      stdin: true,
      stdout: true,
    })
    const remote = new RemoteProcess(url)
    for (const [columns, rows] of sizes) {
      await remote.resize(columns, rows)
      await eventually('the size', () => remote.stdout.includes(`${rows} ${columns}`) || undefined)
    }
    expect(await remote.ended).toEqual({ status: 'Success', exitCode: 0 })
  })

  test('Attach reaches the main process, whose answers are in the log too', async () => {
    const { url } = await calls().attach({ containerId: id, stdin: true, stdout: true, stderr: true })
    const remote = new RemoteProcess(url)
    await remote.write('something\n')
    await eventually('the answer', () => remote.stdout.includes('got something\n') || undefined)
    remote.close()
    // containerd gives the one and the other by ways of their own.
    await eventually(
      'the answer in the log',
      () => readFileSync(`${logs}/attached.log`, 'utf8').includes('stdout F got something') || undefined,
    )
    expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
  })

  test('statistics are those of the container', async () => {
    const { stats } = await calls().containerStats({ containerId: id })
    expect(stats!.cpu!.usageCoreNanoSeconds!.value).toBeGreaterThan(0n)
    const { workingSetBytes, usageBytes } = stats!.memory!
    expect(workingSetBytes!.value).toBeGreaterThan(0n)
    expect(usageBytes!.value).toBeLessThan(BigInt(64 << 20))
    const list = await calls().listPodSandboxStats({ filter: { id: pod.id } })
    expect(list.stats[0]!.linux!.containers.some(({ attributes }) => attributes!.id === id)).toBe(true)
  })

  test('UpdateContainerResources changes the limits that bind', async () => {
    const limit = async () => (await pod.exec(id, ['cat', '/sys/fs/cgroup/memory.max'])).stdout.trim()
    expect(await limit()).toBe(String(64 << 20))
    await calls().updateContainerResources({
      containerId: id,
      linux: { memoryLimitInBytes: BigInt(48 << 20) },
    })
    expect(await limit()).toBe(String(48 << 20))
  })
})

test('a pod that shares its pid namespace: every container sees the others, and pause reaps', async () => {
  const namespaceOptions = { pid: NamespaceMode.POD }
  const sharing = await containerd.cri.runPod({
    config: {
      linux: { cgroupParent: pod.config.linux!.cgroupParent, securityContext: { namespaceOptions } },
    },
  })
  const linux = { resources: {}, securityContext: { namespaceOptions } }
  const first = await sharing.start(['sleep', '1234'], { linux })
  const second = await sharing.start(['sleep', '4321'], { linux })
  const { stdout } = await sharing.exec(second, ['ps', '-o', 'pid,args'])
  expect(stdout).toMatch(/^\s*1 \/pause$/m)
  expect(stdout).toContain('sleep 1234')
  // The agent of the guest is none of them.
  expect(stdout).not.toContain('kata-agent')
  const victim = /^\s*(\d+) sleep 1234$/m.exec(stdout)![1]!
  await sharing.exec(second, ['kill', '-9', victim])
  expect((await exited(first)).exitCode).toBe(137)
  const alone = await pod.start(['sleep', '1000'])
  expect((await pod.exec(alone, ['ps', '-o', 'args'])).stdout).not.toContain('pause')
  await sharing.remove()
})

test('a container that containerd gives up, for it did not reach the shim in time, ends; its neighbour lives on', async () => {
  const neighbour = await pod.start(['sleep', '1000'])
  const id = await pod.start(['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'])
  // What containerd runs then.
  const { state, socket } = containerd.files
  const bundle = `${state}/io.containerd.runtime.v2.task/k8s.io/${id}`
  const flags = ['-namespace', 'k8s.io', '-address', socket, '-publish-binary', 'containerd', '-id', id]
  const { stdout } = Bun.spawnSync([shim, ...flags, '-bundle', bundle, 'delete'], { cwd: bundle })
  expect(DeleteResponse.decode(stdout).exitStatus).toBe(137)
  expect(await exited(id)).toMatchObject({ exitCode: 137 })
  expect((await pod.exec(neighbour, ['echo', 'alive'])).stdout).toBe('alive\n')
  // Firecracker has eight disks, and so as many containers at a time.
  for (const containerId of [id, neighbour]) await calls().removeContainer({ containerId })
})

test('the end of the machine is the end of the pod and of its containers', async () => {
  const dying = await containerd.cri.runPod()
  const id = await dying.start(['sleep', '1000'])
  const pid = await dying.pid()
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]).toEndWith(`/${basename(vmm.path)}`)
  process.kill(pid, 'SIGKILL')
  expect((await exited(id)).exitCode).toBe(255)
  await eventually('the pod to be told dead', async () => {
    const { status } = await calls().podSandboxStatus({ podSandboxId: dying.id })
    return status!.state === PodSandboxState.SANDBOX_NOTREADY || undefined
  })
  await dying.remove()
})

podTest('containerd restarts under a running pod: nothing of it is lost', async () => {
  const script = 'trap "exit 8" TERM; echo up; while :; do sleep 0.1; done'
  const id = await pod.start(['sh', '-c', script], { logPath: 'survivor.log' })
  const mounts = [{ hostPath: logs, containerPath: '/notes' }]
  const short = await pod.start(['sh', '-c', 'sleep 2; touch /notes/done; exit 11'], { mounts })
  await containerd.stopDaemon('SIGKILL')
  // One ends while nobody listens. containerd 1.7 itself loses one that ends while it recovers.
  await eventually('its last word', () => existsSync(`${logs}/done`) || undefined)
  await Bun.sleep(2500)
  await containerd.startDaemon()
  expect((await exited(short)).exitCode).toBe(11)
  expect((await statusOf(id)).state).toBe(ContainerState.CONTAINER_RUNNING)
  expect((await pod.exec(id, ['echo', 'still here'])).stdout).toBe('still here\n')
  const later = await pod.start(['sh', '-c', 'exit 12'])
  expect((await exited(later)).exitCode).toBe(12)
  await calls().stopContainer({ containerId: id, timeout: 10n })
  expect((await statusOf(id)).exitCode).toBe(8)
})
