// test:vmm: every VMM
/** The shim by its own interface: what containerd will call, called here by a ttrpc client of the Task service. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { cgroupHierarchies, isUnified } from '../src/linux/cgroups/cgroup.ts'
import { RuntimeInfo } from '../src/protocol/generated/containerd/introspection.ts'
import { DeleteResponse, TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { Status } from '../src/protocol/generated/containerd/types.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { type Client, connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { shim } from './harness/executable.ts'
import { eventually, Kata } from './harness/kata.ts'
import { figuresOf } from './harness/metrics.ts'

let kata: Kata
let task: Client<TaskDefinition>
let bundle: string
const id = 'task'

beforeAll(async () => {
  kata = new Kata()
  const started = await kata.call(['run', '-d', '--name', id, '--', 'sh', '-c', 'while :; do sleep 1; done'])
  expect(started.stderr).toBe('')
  bundle = (await kata.inspect(id)).paths.bundle
  const address = readFileSync(`${bundle}/address`, 'utf8')
  expect(address).toMatch(/^unix:\/\//)
  task = createClient(TaskDefinition, connect(await connectUnix(address.replace('unix://', ''))))
})
afterAll(() => kata.close())

const json = (value: unknown) => ({ typeUrl: '', value: new TextEncoder().encode(JSON.stringify(value)) })
const shProcess = (script: string) =>
  json({ args: ['sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: {} })

describe('the executable by its other name', () => {
  test('-v says who it is', () => {
    const { stdout, exitCode } = Bun.spawnSync([shim, '-v'])
    expect(exitCode).toBe(0)
    expect(stdout.toString()).toContain('io.containerd.kata-ts.v2')
  })

  test('-info is a RuntimeInfo with the OCI features', () => {
    const { stdout } = Bun.spawnSync([shim, '-info'])
    const info = RuntimeInfo.decode(stdout)
    expect(info.name).toBe('io.containerd.kata-ts.v2')
    expect(JSON.parse(new TextDecoder().decode(info.features!.value))).toMatchObject({
      ociVersionMax: '1.2.0',
    })
  })

  test('a wrong call is told on stderr, with nothing on stdout', () => {
    const { stdout, stderr, exitCode } = Bun.spawnSync([shim, '-namespace', 'default', 'start'])
    expect({ stdout: stdout.toString(), exitCode }).toEqual({ stdout: '', exitCode: 1 })
    expect(stderr.toString()).toContain('[SHIM_USAGE]')
  })

  test('start under the name of a live sandbox is refused, and that one goes on', async () => {
    const flags = ['-namespace', 'default', '-id', id, '-bundle', bundle, '-run-dir', kata.runDir]
    const { stdout, stderr, exitCode } = Bun.spawnSync([shim, ...flags, 'start'], { cwd: bundle })
    expect({ stdout: stdout.toString(), exitCode }).toEqual({ stdout: '', exitCode: 1 })
    expect(stderr.toString()).toContain('[SHIM_EXISTS]')
    expect(await kata.isRunning(id)).toBe(true)
  })

  test('delete of what was never there answers, and may be repeated', () => {
    for (let round = 0; round < 2; round++) {
      const args = [
        '-namespace',
        'default',
        '-id',
        'nobody',
        '-bundle',
        '/nonexistent',
        '-run-dir',
        kata.runDir,
      ]
      const { stdout, exitCode } = Bun.spawnSync([shim, ...args, 'delete'])
      expect(exitCode).toBe(0)
      expect(DeleteResponse.decode(stdout).exitStatus).toBe(137)
    }
  })
})

describe('the Task service', () => {
  test('State, Connect and Pids name the running task and the VMM', async () => {
    const { sandbox } = await kata.inspect(id)
    expect(await task.state({ id })).toMatchObject({
      id,
      bundle,
      status: Status.RUNNING,
      pid: sandbox.vmmPid,
    })
    expect(await task.connect({ id })).toMatchObject({ shimPid: sandbox.shimPid, taskPid: sandbox.vmmPid })
    expect((await task.pids({ id })).processes).toEqual([{ pid: sandbox.vmmPid, info: undefined }])
  })

  test('Stats are the container’s, in the type of the host’s cgroup version', async () => {
    const { stats } = await task.stats({ id })
    const version = isUnified(cgroupHierarchies()) ? 'v2' : 'v1'
    expect(stats!.typeUrl).toBe(`io.containerd.cgroups.${version}.Metrics`)
    const { cpu, memory, pids } = figuresOf(stats)
    for (const figure of [cpu, memory, pids]) expect(figure).toBeGreaterThan(0n)
  })

  test('Update changes a limit, which Stats shows', async () => {
    await task.update({ id, resources: json({ memory: { limit: 64 * 1024 * 1024 }, pids: { limit: 33 } }) })
    const { memoryLimit, pidsLimit } = figuresOf((await task.stats({ id })).stats)
    expect({ memoryLimit, pidsLimit }).toEqual({ memoryLimit: 64n * 1024n * 1024n, pidsLimit: 33n })
  })

  test('Pause stops the container’s time, Resume lets it go on', async () => {
    await task.pause({ id })
    expect((await task.state({ id })).status).toBe(Status.PAUSED)
    const usage = async () => figuresOf((await task.stats({ id })).stats).cpu!
    const before = await usage()
    await Bun.sleep(1500)
    expect(await usage()).toBe(before)
    await task.resume({ id })
    expect((await task.state({ id })).status).toBe(Status.RUNNING)
    await eventually('the container to go on', async () => (await usage()) > before || undefined)
  })

  test('Exec, Start, Wait and Delete: an exec has a life of its own', async () => {
    await task.exec({ id, execId: 'one', spec: shProcess('exit 9') })
    expect((await task.state({ id, execId: 'one' })).status).toBe(Status.CREATED)
    await task.start({ id, execId: 'one' })
    expect((await task.wait({ id, execId: 'one' })).exitStatus).toBe(9)
    expect(await task.delete({ id, execId: 'one' })).toMatchObject({ exitStatus: 9 })
    await expect(task.state({ id, execId: 'one' })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a size that was told before the start is that of the terminal', async () => {
    const stdout = `file://${bundle}/size`
    const spec = shProcess('until [ "$(stty size)" = "33 101" ]; do sleep 0.1; done; stty size')
    await task.exec({ id, execId: 'sized', terminal: true, stdout, spec })
    await task.resizePty({ id, execId: 'sized', height: 33, width: 101 })
    await task.start({ id, execId: 'sized' })
    expect((await task.wait({ id, execId: 'sized' })).exitStatus).toBe(0)
    expect(readFileSync(`${bundle}/size`, 'utf8')).toBe('33 101\r\n')
    await task.delete({ id, execId: 'sized' })
  })

  test('an exec is killed by its own id, and its id can be used once at a time', async () => {
    await task.exec({ id, execId: 'two', spec: shProcess('sleep 300') })
    await expect(task.exec({ id, execId: 'two', spec: shProcess('true') })).rejects.toMatchObject({
      code: 'already_exists',
    })
    await task.start({ id, execId: 'two' })
    await task.kill({ id, execId: 'two', signal: 9 })
    expect((await task.wait({ id, execId: 'two' })).exitStatus).toBe(137)
    await task.delete({ id, execId: 'two' })
  })

  test.each([
    ['unknown task', () => task.state({ id: 'other' }), 'not_found'],
    ['unknown exec', () => task.kill({ id, execId: 'none', signal: 9 }), 'not_found'],
    ['a second start', () => task.start({ id }), 'failed_precondition'],
    ['a second create', () => task.create({ id, bundle }), 'already_exists'],
    ['delete while it runs', () => task.delete({ id }), 'failed_precondition'],
    ['resume of what is not paused', () => task.resume({ id }), 'failed_precondition'],
    ['an exec without a process', () => task.exec({ id, execId: 'bad' }), 'invalid_argument'],
    [
      'an update with nonsense',
      () => task.update({ id, resources: { typeUrl: '', value: new Uint8Array([7]) } }),
      'invalid_argument',
    ],
    ['checkpoint of a machine with a share', () => task.checkpoint({ id }), 'failed_precondition'],
  ])('%s is refused with its status', async (_, call, code) => {
    await expect(call()).rejects.toMatchObject({ code })
  })

  test('Shutdown is ignored while a task lives', async () => {
    await task.shutdown({ id })
    expect((await task.state({ id })).status).toBe(Status.RUNNING)
  })

  test('Kill, Wait, Delete, Shutdown: the end, in the order containerd takes', async () => {
    const exit = task.wait({ id })
    await task.kill({ id, signal: 9 })
    expect((await exit).exitStatus).toBe(137)
    await expect(task.kill({ id, signal: 9 })).rejects.toMatchObject({ code: 'not_found' })
    expect(await task.delete({ id })).toMatchObject({ exitStatus: 137 })
    await task.shutdown({ id })
    await eventually(
      'the shim to end',
      async () => (await task.state({ id }).catch((e) => e)) instanceof Error || undefined,
    )
  })
})
