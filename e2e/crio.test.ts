/**
 * The shim as CRI-O calls it (internal/oci/runtime_vm.go, `runtime_type = "vm"`): no address of a containerd, standard error and output
 * read as one, Shutdown after every Delete, a file `oom` in the bundle, and root file systems that are mounted already, below a directory
 * that CRI-O's storage has made a private mount. Debian has no package of CRI-O, so this test stands in for it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { embeddedRootfs } from '../src/images/embedded-rootfs.ts'
import { bindMount, mount, mountFlags, mountPoints, unmountBelow } from '../src/linux/mounts/mount.ts'
import { defaultSpec } from '../src/oci/defaults/default-spec.ts'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { Status } from '../src/protocol/generated/containerd/types.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { ownDirectory } from './harness/directories.ts'
import { shim } from './harness/executable.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually } from './harness/kata.ts'
import { runtimeOptions } from './harness/runtime-options.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable } from './harness/vmm.ts'

setDefaultTimeout(slow(120_000))

const pod = 'a1b2c3'
const sleeper = 'trap "exit 3" TERM; sleep 100000 & wait'
let dir: string
let runDir: string
let rootfs: string
let before: HostState
beforeAll(async () => {
  dir = ownDirectory('/var/lib/kata-ts-e2e-')
  bindMount(dir, dir)
  mount({ source: 'none', target: dir, flags: mountFlags.private })
  runDir = ownDirectory('/run/kt-')
  rootfs = await embeddedRootfs(readFileSync(busyboxPath), join(dir, 'cache'))
  before = hostState(runDir)
})
afterAll(() => {
  // Of a test that failed: it would be in the way of others.
  const bundle = join(dir, pod, 'userdata')
  const flags = ['-namespace', 'default', '-id', pod, '-bundle', bundle, '-run-dir', runDir]
  Bun.spawnSync([shim, ...flags, 'delete'], { cwd: dir })
  unmountBelow(dir)
  for (const path of [dir, runDir]) rmSync(path, { recursive: true, force: true })
})

/** But the root file systems, which are the test's. */
const left = () => leftBehind(before, hostState(runDir)).filter((line) => !line.endsWith('/merged'))
const nothingLeft = async () => {
  await eventually('nothing to be left', () => left().length === 0 || undefined).catch(() => {})
  expect(left()).toEqual([])
}

/** A bundle as CRI-O makes it: the root file system is mounted elsewhere, and the annotations are CRI-O's. */
function makeBundle(
  id: string,
  script: string,
  { annotations = {}, sandbox = pod, resources = {} } = {},
): string {
  const at = (name: string) => join(dir, id, name)
  for (const name of ['userdata', 'merged', 'upper', 'work']) mkdirSync(at(name), { recursive: true })
  const data = `lowerdir=${rootfs},upperdir=${at('upper')},workdir=${at('work')}`
  mount({ source: 'overlay', target: at('merged'), type: 'overlay', data })
  const spec = defaultSpec({
    args: ['sh', '-c', script],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: pod,
    readonly: false,
    rootfs: at('merged'),
    mounts: [],
    annotations: {
      'io.container.manager': 'cri-o',
      'io.kubernetes.cri-o.ContainerID': id,
      'io.kubernetes.cri-o.ContainerType': id === sandbox ? 'sandbox' : 'container',
      'io.kubernetes.cri-o.SandboxID': sandbox,
      'io.kubernetes.pod.uid': '3b9f5c3e-7b0a-4f0e-9a5c-0f2f7a1c9d11',
      ...annotations,
    },
  })
  writeFileSync(at('userdata/config.json'), JSON.stringify({ ...spec, linux: { ...spec.linux, resources } }))
  return at('userdata')
}

/** What CRI-O takes for the address: all that `start` writes. */
function start(id: string): string {
  const flags = ['-namespace', 'default', '-address', '', '-publish-binary', '/usr/bin/crio', '-id', id]
  const bundle = join(dir, id, 'userdata')
  const { stdout, stderr } = Bun.spawnSync([shim, ...flags, '-run-dir', runDir, 'start'], {
    cwd: bundle,
    env: { PATH: process.env.PATH ?? '', TTRPC_ADDRESS: '', GRPC_ADDRESS: '', MAX_SHIM_VERSION: '2' },
  })
  return `${stdout}${stderr}`.trim()
}

async function taskAt(address: string) {
  expect(address).toMatch(/^unix:\/\/\S+$/)
  const connection = connect(await connectUnix(address.replace('unix://', '')))
  return { connection, task: createClient(TaskDefinition, connection) }
}
type Task = Awaited<ReturnType<typeof taskAt>>['task']

/** CreateContainer and StartContainer. */
async function run(task: Task, id: string, configPath: string): Promise<void> {
  const streams = ['out', 'err'].map((name) => join(dir, `${id}.${name}`))
  for (const path of streams) closeSync(openSync(path, 'w'))
  const [stdout, stderr] = streams.map((path) => `file://${path}`)
  await task.create({
    id,
    bundle: join(dir, id, 'userdata'),
    stdout: stdout!,
    stderr: stderr!,
    ...runtimeOptions(dir, configPath),
  })
  await task.start({ id })
}

/** DeleteContainer: of any container, with Shutdown. */
async function remove(task: Task, id: string): Promise<void> {
  await task.delete({ id })
  await task.shutdown({ id }).catch(() => {})
}

test('a pod of three containers, from start to end, with a CRI-O that is restarted between', async () => {
  const configPath = join(dir, 'auto.toml')
  writeFileSync(configPath, hypervisorTable('virtio_fs_privilege = "auto"\n'))
  makeBundle(pod, sleeper)
  const address = start(pod)
  const first = await taskAt(address)
  await run(first.task, pod, configPath)
  // The shim did not see this mount; it holds no copy of it once the container has its own.
  makeBundle('one', sleeper)
  expect(start('one')).toBe(address)
  await run(first.task, 'one', configPath)
  const { process: shimProcess } = JSON.parse(readFileSync(join(dir, pod, 'userdata/shim.json'), 'utf8'))
  expect(mountPoints(shimProcess.pid)).not.toContain(join(dir, 'one/merged'))
  first.connection.close()

  // It reads the address of a container that it knew from the container's bundle.
  const { connection, task } = await taskAt(readFileSync(join(dir, 'one/userdata/address'), 'utf8').trim())
  expect((await task.state({ id: 'one' })).status).toBe(Status.RUNNING)

  // It takes its memory in one call of the kernel. One that comes back each time for a little more has its own code evicted and read
  // again and again before the kernel gives up, which took four minutes once.
  const greedy = makeBundle('greedy', 'exec dd if=/dev/zero of=/dev/null bs=64M count=1', {
    resources: { memory: { limit: 16 << 20 } },
  })
  expect(start('greedy')).toBe(address)
  await run(task, 'greedy', configPath)
  expect((await task.wait({ id: 'greedy' })).exitStatus).not.toBe(0)
  expect(existsSync(join(greedy, 'oom'))).toBe(true)
  await remove(task, 'greedy')

  await task.kill({ id: 'one', signal: 15 })
  expect((await task.wait({ id: 'one' })).exitStatus).toBe(3)
  expect(existsSync(join(dir, 'one/userdata/oom'))).toBe(false)
  await remove(task, 'one')
  // Shutdown for a container leaves the pod.
  expect((await task.state({ id: pod })).status).toBe(Status.RUNNING)
  await task.kill({ id: pod, signal: 9 })
  await task.wait({ id: pod })
  await remove(task, pod)
  connection.close()
  await nothingLeft()
})

test('a pod whose author writes containerd’s annotation of another pod does not start', () => {
  makeBundle('intruder', sleeper, { annotations: { 'io.kubernetes.cri.sandbox-id': pod } })
  const said = start('intruder')
  expect(said).toContain('[OCI_SPEC_INVALID]')
  expect(said).toContain('those of containerd or of CRI-O')
  expect(left()).toEqual([])
})

test('the overlay that CRI-O has mounted takes no id map: without leave for root the pod is refused, and nothing is left', async () => {
  makeBundle('refused', sleeper, { sandbox: 'refused' })
  const { connection, task } = await taskAt(start('refused'))
  const configPath = join(dir, 'unprivileged.toml')
  writeFileSync(configPath, hypervisorTable(''))
  const failure = await run(task, 'refused', configPath).then(() => '', String)
  expect(failure).toContain('[SHARE_NOT_IDMAPPABLE]')
  await task.shutdown({ id: 'refused' }).catch(() => {})
  connection.close()
  await nothingLeft()
})
