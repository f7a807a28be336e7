// test:vmm: qemu
/** What the host's kernel does for a guest, by descriptors that root handed over: the agent's vsock, and packets by vhost-net. */
import { afterAll, beforeAll, expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { listPids, readProc } from '../../src/linux/processes/proc.ts'
import { ip, TestNetns } from '../../src/network/testing.ts'
import { readPosture } from '../../src/rootless/posture/posture.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration } from '../harness/vmm.ts'
import { testWith } from './only.ts'

const limitMs = slow(120_000)
let kata: Kata
let before: HostState
beforeAll(() => {
  kata = new Kata()
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

/** Starts a sandbox whose container sleeps; returns the process of its VMM. */
async function start(name: string, flags: readonly string[]): Promise<number> {
  const { code, stderr } = await kata.call(['run', '-d', '--name', name, ...flags, '--', 'sleep', '3000'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return (await kata.inspect(name)).sandbox.vmmPid
}

async function expectEndAsBefore(name: string): Promise<void> {
  expect(await kata.call(['audit', name])).toMatchObject({ code: 0 })
  expect(await kata.call(['rm', '-f', name])).toMatchObject({ code: 0 })
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
}

testWith(
  ['vsock', 'qemu'],
  'the agent answers over vsock, by a descriptor of a node that the VMM does not see',
  async () => {
    const file = `${kata.stateDir}/vsock.toml`
    const shipped = shippedConfiguration()
    writeFileSync(file, shipped.replace(/^agent_channel = .*$/m, 'agent_channel = "vsock"'))
    const { descriptors, mounts } = readPosture(await start('vsock', ['--config', file]))
    expect(Object.values(descriptors)).toContain('/dev/vhost-vsock')
    expect(mounts.map(({ point }) => point)).not.toContain('/dev/vhost-vsock')
    const { stdout } = await kata.call(['exec', 'vsock', '--', 'echo', 'heard'])
    expect(stdout).toBe('heard\n')
    await expectEndAsBefore('vsock')
  },
  limitMs,
)

testWith(
  ['vhost-net', 'qemu'],
  'packets go through the host’s kernel: it works for this VMM alone',
  async () => {
    using pod = new TestNetns('kt-vhost')
    pod.veth('eth0', 'kt-vhost0')
    pod.address('eth0', '10.96.0.2/24')
    ip('addr add 10.96.0.1/24 dev kt-vhost0')
    before = hostState(kata.runDir)
    const vmm = await start('vhost', ['--network', `ns:${pod.path}`])
    expect(Object.values(readPosture(vmm).descriptors)).toContain('/dev/vhost-net')
    const sent = () => Number(readFileSync('/sys/class/net/kt-vhost0/statistics/rx_packets', 'utf8'))
    const sentBefore = sent()
    const { code, stdout } = await kata.call(['exec', 'vhost', '--', 'ping', '-c', '5', '10.96.0.1'])
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('0% packet loss') })
    expect(sent() - sentBefore).toBeGreaterThanOrEqual(5)
    // Its worker is a thread of the VMM, or of the kernel, and is named after the VMM.
    const threads = [...listPids(), ...threadsOf(vmm)].map((pid) => readProc(`/proc/${pid}/comm`)?.trim())
    expect(threads).toContain(`vhost-${vmm}`)
    await expectEndAsBefore('vhost')
  },
  limitMs,
)

const threadsOf = (pid: number): string[] =>
  [...new Bun.Glob('*').scanSync({ cwd: `/proc/${pid}/task`, onlyFiles: false })].map(
    (thread) => `${pid}/task/${thread}`,
  )
