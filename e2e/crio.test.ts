/**
 * The shim as CRI-O calls it (internal/oci/runtime_vm.go, `runtime_type = "vm"`): no address of a containerd, standard error and output
 * read as one, root file systems that are mounted already, Shutdown after every Delete, and a file `oom` in the bundle. Debian has no
 * package of CRI-O, so this test stands in for it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { embeddedRootfs } from '../src/images/embedded-rootfs.ts'
import { mount, unmountBelow } from '../src/linux/mounts/mount.ts'
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

setDefaultTimeout(slow(120_000))

const pod = 'a1b2c3'
const sleeper = 'trap "exit 3" TERM; sleep 100000 & wait'
let dir: string
let runDir: string
let rootfs: string
let before: HostState
beforeAll(async () => {
  dir = ownDirectory('/var/lib/kata-ts-e2e-')
  runDir = ownDirectory('/run/kt-')
  rootfs = await embeddedRootfs(readFileSync(busyboxPath), join(dir, 'cache'))
  before = hostState(runDir)
})
afterAll(() => {
  unmountBelow(dir)
  for (const path of [dir, runDir]) rmSync(path, { recursive: true, force: true })
})

/** A bundle as CRI-O makes it: the root file system is mounted elsewhere, and the annotations are CRI-O's. */
function makeBundle(id: string, script: string, { annotations = {}, resources = {} } = {}): string {
  const at = (name: string) => join(dir, id, name)
  for (const name of ['userdata', 'merged', 'upper', 'work']) mkdirSync(at(name), { recursive: true })
  const data = `lowerdir=${rootfs},upperdir=${at('upper')},workdir=${at('work')}`
  mount({ source: 'overlay', target: at('merged'), type: 'overlay', data })
  const spec = defaultSpec({
    ...{
      args: ['sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      user: { uid: 0, gid: 0 },
      terminal: false,
    },
    ...{ hostname: pod, readonly: false, rootfs: at('merged'), mounts: [] },
    annotations: {
      'io.container.manager': 'cri-o',
      'io.kubernetes.cri-o.ContainerID': id,
      'io.kubernetes.cri-o.ContainerType': id === pod ? 'sandbox' : 'container',
      'io.kubernetes.cri-o.SandboxID': pod,
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
async function run(task: Task, id: string): Promise<void> {
  const streams = ['out', 'err'].map((name) => join(dir, `${id}.${name}`))
  for (const path of streams) closeSync(openSync(path, 'w'))
  const [stdout, stderr] = streams.map((path) => `file://${path}`)
  await task.create({
    id,
    bundle: join(dir, id, 'userdata'),
    stdout: stdout!,
    stderr: stderr!,
    ...runtimeOptions(dir),
  })
  await task.start({ id })
}

/** DeleteContainer: of any container, with Shutdown. */
async function remove(task: Task, id: string): Promise<void> {
  await task.delete({ id })
  await task.shutdown({ id }).catch(() => {})
}

test('a pod of two containers, from start to end, with a CRI-O that is restarted between', async () => {
  makeBundle(pod, sleeper)
  const address = start(pod)
  const first = await taskAt(address)
  await run(first.task, pod)
  makeBundle('one', sleeper)
  expect(start('one')).toBe(address)
  await run(first.task, 'one')
  first.connection.close()

  // It reads the address of a container that it knew from the container's bundle.
  const { connection, task } = await taskAt(readFileSync(join(dir, 'one/userdata/address'), 'utf8').trim())
  expect((await task.state({ id: 'one' })).status).toBe(Status.RUNNING)

  const greedy = makeBundle('greedy', 'head -c 64m /dev/zero | tail', {
    resources: { memory: { limit: 16 << 20 } },
  })
  expect(start('greedy')).toBe(address)
  await run(task, 'greedy')
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
  const left = () => leftBehind(before, hostState(runDir))
  await eventually('nothing to be left', () => left().length === 0 || undefined).catch(() => {})
  expect(left()).toEqual([])
})

test('a pod whose author writes containerd’s annotation of another pod does not start', () => {
  makeBundle('intruder', sleeper, { annotations: { 'io.kubernetes.cri.sandbox-id': pod } })
  const said = start('intruder')
  expect(said).toContain('[OCI_SPEC_INVALID]')
  expect(said).toContain('those of containerd or of CRI-O')
  expect(leftBehind(before, hostState(runDir))).toEqual([])
})
