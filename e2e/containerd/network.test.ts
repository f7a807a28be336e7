// test:vmm: every VMM
/** Pods of CRI with a network of CNI: what kubelet and other pods can rely on, and that none of it stays. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { ip } from '../../src/network/testing.ts'
import { NamespaceMode } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { echoServer, exchange } from '../harness/network/echo.ts'
import { networkTool } from '../harness/network/tool.ts'
import { bridgeAddress } from './configuration.ts'
import { Containerd } from './containerd.ts'
import type { Pod } from './cri.ts'
import { ForwardedPort } from './streams.ts'

let before: HostState
let containerd: Containerd
const tools = scratch()
let pods: readonly { pod: Pod; container: string; address: string }[]

beforeAll(async () => {
  before = hostState(defaultRunDir)
  networkTool('udp-peer', tools.path)
  containerd = await Containerd.start()
  pods = await Promise.all([0, 1].map(startPod))
})
afterAll(async () => {
  await containerd.close()
  tools[Symbol.dispose]()
})

/** Serves TCP on 5000 and UDP on 5001. */
async function startPod() {
  const pod = await containerd.cri.runPod()
  const mounts = [{ containerPath: '/tools', hostPath: tools.path, readonly: true }]
  const container = await pod.start(['sh', '-c', '/tools/udp-peer 5001 & exec nc -ll -p 5000 -e cat'], {
    mounts,
  })
  return { pod, container, address: await pod.address() }
}

async function inside({ pod, container }: (typeof pods)[number], script: string): Promise<string> {
  const { stdout, stderr, exitCode } = await pod.exec(container, ['sh', '-c', script])
  if (exitCode !== 0) throw new Error(`${script}: exit code ${exitCode}: ${stderr}`)
  return stdout
}

test('a pod has the address that CRI tells, and its default route', async () => {
  for (const each of pods) {
    expect(await inside(each, 'ip -o -4 addr show dev eth0')).toContain(`inet ${each.address}/24`)
    expect(await inside(each, 'ip route')).toContain(`default via ${bridgeAddress} dev eth0`)
  }
})

test('host to pod, pod to host and pod to pod, by TCP', async () => {
  const [one, other] = [pods[0]!, pods[1]!]
  const text = Buffer.from('hello pod')
  expect(await eventually('the pod', () => exchange(one.address, 5000, text).catch(() => undefined))).toEqual(
    text,
  )
  expect(await inside(one, `echo hello pod | nc ${other.address} 5000`)).toBe('hello pod\n')
  using echo = await echoServer(bridgeAddress)
  expect(await inside(one, `echo hello host | nc ${bridgeAddress} ${echo.port}`)).toBe('hello host\n')
})

test('host to pod and pod to pod, by UDP', async () => {
  const [one, other] = [pods[0]!, pods[1]!]
  const asked = Bun.spawnSync([`${tools.path}/udp-peer`, '5001', one.address, 'a datagram'])
  expect(asked.stdout.toString()).toBe('a datagram')
  expect(await inside(one, `/tools/udp-peer 5001 ${other.address} 'a datagram'`)).toBe('a datagram')
})

test('containers of a pod share its localhost', async () => {
  const { pod } = pods[0]!
  const second = await pod.start(['sleep', '1000'])
  const { stdout } = await pod.exec(second, ['sh', '-c', 'echo neighbour | nc 127.0.0.1 5000'])
  expect(stdout).toBe('neighbour\n')
})

test('PortForward reaches a port of the pod, one that listens on localhost only as well', async () => {
  const { pod } = pods[0]!
  const server = await pod.start(['httpd', '-f', '-p', '127.0.0.1:5006', '-h', '/etc'])
  // A port on which nobody listens yet ends the connection that is forwarded to it.
  await pod.exec(server, [
    'sh',
    '-c',
    'until wget -qO /dev/null http://127.0.0.1:5006/passwd; do sleep 0.1; done',
  ])
  const ports = [
    { port: 5000, asked: 'an echo\n', answer: 'an echo\n' },
    { port: 5006, asked: 'GET /passwd HTTP/1.0\r\n\r\n', answer: 'root:x:0:0' },
  ]
  for (const { port, asked, answer } of ports) {
    const { url } = await containerd.cri.calls.portForward({ podSandboxId: pod.id, port: [port] })
    const forwarded = new ForwardedPort(url, port)
    await forwarded.write(asked)
    await eventually(`the answer of ${port}`, () => forwarded.received.includes(answer) || undefined)
    forwarded.close()
  }
})

test('a pod with the network of the host is refused in words that kubectl shows', async () => {
  const linux = { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } }
  await expect(containerd.cri.runPod({ config: { linux } })).rejects.toThrow(
    '[NETNS_HOST] the pod asks for the network of the host',
  )
})

test('after the pods nothing of their network is left', async () => {
  await Promise.all(pods.map(({ pod }) => pod.remove()))
  expect(ip('-o link')).not.toContain('_kata')
  await containerd.close()
  await expectNothingLeft(before, defaultRunDir)
})
