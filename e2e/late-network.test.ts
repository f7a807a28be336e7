/** A client that fills the network namespace between Create and Start, over the shim's own interface. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { busyboxPath } from '../setup/paths.ts'
import { TestNetns } from '../src/network/testing.ts'
import { defaultSpec } from '../src/oci/defaults/default-spec.ts'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { type Client, connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { ownDirectory } from './harness/directories.ts'
import { executable as kata, shim } from './harness/executable.ts'
import { eventually, scratch } from './harness/kata.ts'
import { runtimeOptions } from './harness/runtime-options.ts'

const id = 'late'
const files = scratch()
const bundle = `${files.path}/${id}`

let runDir: string
let pod: TestNetns
let task: Client<TaskDefinition>

beforeAll(async () => {
  runDir = ownDirectory('/run/kt-')
  pod = new TestNetns('kt-late')
  makeBundle()
  const argv = [shim, '-namespace', 'default', '-id', id, '-bundle', bundle, '-run-dir', runDir, 'start']
  const { stdout, stderr } = Bun.spawnSync(argv, { cwd: bundle })
  expect(stderr.toString()).toBe('')
  task = createClient(TaskDefinition, connect(await connectUnix(stdout.toString().replace('unix://', ''))))
})
afterAll(async () => {
  await task?.shutdown({ id, now: true }).catch(() => {})
  Bun.spawnSync([shim, '-namespace', 'default', '-id', id, '-bundle', bundle, '-run-dir', runDir, 'delete'])
  pod[Symbol.dispose]()
  rmSync(runDir, { recursive: true, force: true })
  files[Symbol.dispose]()
})

function makeBundle(): void {
  mkdirSync(`${bundle}/rootfs/bin`, { recursive: true })
  for (const name of ['proc', 'sys', 'dev']) mkdirSync(`${bundle}/rootfs/${name}`)
  cpSync(busyboxPath, `${bundle}/rootfs/bin/busybox`)
  chmodSync(`${bundle}/rootfs/bin/busybox`, 0o755)
  for (const name of ['sh', 'ip', 'ping']) symlinkSync('busybox', `${bundle}/rootfs/bin/${name}`)
  const script = 'ip -o addr; ip link; ip route; ping -c 1 10.93.0.1; echo "ping ended with $?"; sleep 600'
  const spec = defaultSpec({
    args: ['sh', '-c', script],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: id,
    readonly: false,
    rootfs: `${bundle}/rootfs`,
    mounts: [],
    netns: pod.path,
  })
  writeFileSync(`${bundle}/config.json`, JSON.stringify(spec))
}

test('interfaces that come after Create are there when the task starts', async () => {
  const out = `${files.path}/out`
  writeFileSync(out, '')
  const streams = { stdout: `file://${out}`, stderr: `file://${out}` }
  await task.create({ id, bundle, ...streams, ...runtimeOptions(files.path) })
  pod.veth('eth0', 'kt-late0', { mtu: 1420 })
  pod.address('eth0', '10.93.0.2/24')
  Bun.spawnSync(['ip', 'addr', 'add', '10.93.0.1/24', 'dev', 'kt-late0'])
  pod.veth('net1', 'kt-late1')
  pod.address('net1', 'fd93::2/64')
  pod.ip('route add default via 10.93.0.1')
  await task.start({ id })
  const text = await eventually('the end of the ping', async () => {
    const text = await Bun.file(out).text()
    return text.includes('ping ended with') ? text : undefined
  })
  expect(text).toMatch(/eth0 .*inet 10\.93\.0\.2\/24/)
  expect(text).toMatch(/net1 .*inet6 fd93::2\/64/)
  expect(text).toMatch(/eth0: .* mtu 1420/)
  expect(text).toContain('default via 10.93.0.1 dev eth0')
  expect(text).toContain('1 packets received')
  expect(text).toContain('ping ended with 0')
  // The audit knows the cards that came while the machine ran.
  const audit = Bun.spawnSync([kata, '--run-dir', runDir, 'audit', id])
  expect({ code: audit.exitCode, text: audit.stdout.toString() }).toEqual({
    code: 0,
    text: expect.stringMatching(/^vmm, process \d+: as asked for$/m),
  })
  await task.kill({ id, signal: 9, all: true })
  await task.wait({ id })
  await task.delete({ id })
  expect(pod.ip('-o link')).not.toContain('_kata')
  expect(pod.run('tc', 'qdisc', 'show')).not.toContain('ingress')
})
