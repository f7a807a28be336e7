// test:vmm: every VMM
/**
 * A pod's network in its machine: two machines on one bridge with both families, one of them with a second interface.
 * They are made once and share their work: a boot costs seconds.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { busyboxPath } from '../setup/paths.ts'
import { command, ip, TestNetns } from '../src/network/testing.ts'
import { podTest } from './harness/cannot.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { echoServer, exchange } from './harness/network/echo.ts'
import { networkTool } from './harness/network/tool.ts'

const bridge = 'ktbr0'
const mtu = 1400
const host = { v4: '10.77.0.1', v6: 'fd77::1', second: '10.78.0.1' }
const a = { v4: '10.77.0.2', v6: 'fd77::2', second: '10.78.0.2' }
const b = { v4: '10.77.0.3', v6: 'fd77::3' }

let kata: Kata
let before: HostState
let podA: TestNetns
let podB: TestNetns
const namespaceState = (pod: TestNetns) => [pod.ip('-o link'), pod.run('tc', 'qdisc', 'show')]
let asMade: string[][]
const tools = scratch()

beforeAll(async () => {
  kata = new Kata()
  networkTool('udp-peer', tools.path)
  ip(`link add ${bridge} mtu ${mtu} type bridge`)
  ip(`link set ${bridge} up`)
  ip(`addr add ${host.v4}/24 dev ${bridge}`)
  command('ip', 'addr', 'add', `${host.v6}/64`, 'dev', bridge, 'nodad')
  podA = new TestNetns('kt-a')
  podB = new TestNetns('kt-b')
  join(podA, a)
  join(podB, b)
  podA.veth('net1', 'kt-a1', { mtu: 1500 })
  podA.address('net1', `${a.second}/24`)
  ip(`addr add ${host.second}/24 dev kt-a1`)
  podA.ip(`route add 10.79.0.0/16 via ${host.second} mtu 1300 metric 5`)
  // Both links lead there, and the kernel prefers neither.
  for (const link of ['eth0', 'net1']) podA.ip(`-6 route append 2001:db8:79::/48 dev ${link} metric 7`)
  podA.ip('neigh add 10.78.0.9 lladdr 02:00:00:00:00:09 dev net1 nud permanent')
  // From here on: ip itself leaves the directory of its namespaces mounted.
  before = hostState(kata.runDir)
  asMade = [podA, podB].map(namespaceState)
  await Promise.all([podA, podB].map((pod) => start(pod)))
})
afterAll(async () => {
  await kata.close()
  tools[Symbol.dispose]()
  for (const pod of [podA, podB]) pod[Symbol.dispose]()
  Bun.spawnSync(['ip', 'link', 'del', bridge])
})

/** As a bridge plugin does it: a veth on the bridge, an address of each family, default routes to the bridge. */
function join(pod: TestNetns, { v4, v6 }: { v4: string; v6: string }): void {
  pod.veth('eth0', `${pod.name}0`, { mtu })
  ip(`link set ${pod.name}0 master ${bridge}`)
  pod.address('eth0', `${v4}/24`)
  pod.address('eth0', `${v6}/64`)
  pod.ip(`route add default via ${host.v4}`)
  pod.ip(`-6 route add default via ${host.v6}`)
}

async function start(pod: TestNetns): Promise<void> {
  const flags = ['--name', pod.name, '--network', `ns:${pod.path}`, '-v', `${tools.path}:/tools:ro`]
  const { code, stderr } = await kata.call(['run', '-d', ...flags, '--', 'sleep', '1000'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

async function inside(pod: TestNetns, script: string): Promise<string> {
  const { code, stdout, stderr } = await kata.call(['exec', pod.name, '--', 'sh', '-c', script])
  if (code !== 0) throw new Error(`${script}: exit code ${code}: ${stderr}`)
  return stdout
}

/** Runs a server in the machine until the test is over. */
function serve(pod: TestNetns, script: string) {
  const child = kata.spawn(['exec', pod.name, '--', 'sh', '-c', script])
  return { [Symbol.dispose]: () => child.kill('SIGKILL') }
}

function background(...argv: string[]) {
  const child = Bun.spawn(argv, { stdio: ['ignore', 'ignore', 'ignore'] })
  return { [Symbol.dispose]: () => child.kill('SIGKILL') }
}

/** One line per address, without what only one of iproute2 and busybox writes. */
const addresses = (text: string) =>
  [...text.matchAll(/^\s+inet6? (\S+)/gm)].map(([, prefix]) => prefix).sort()
const links = (text: string) =>
  [...text.matchAll(/^\d+: ([^:@]+)[^\n]* mtu (\d+)[^\n]*\n\s+link\/ether (\S+)/gm)]
    .map(([, name, size, mac]) => `${name} ${size} ${mac}`)
    .filter((line) => !line.startsWith('tap'))
/** Destination, gateway and link. */
const routes = (text: string) =>
  text
    .split('\n')
    .map((line) => /^(default|[\da-f]\S*)( via \S+)? dev \S+/.exec(line)?.[0])
    // The way of localhost between the namespace and the machine has a test of its own.
    .filter((line) => line !== undefined && !/^(127|169\.254)\./.test(line))
    .sort()

describe('the machine has what the namespace says', () => {
  test('interfaces by name, with hardware address and MTU', async () => {
    for (const pod of [podA, podB]) expect(links(await inside(pod, 'ip link'))).toEqual(links(pod.ip('link')))
    expect(links(podA.ip('link')).length).toBe(2)
  })

  test('addresses of both families, and no others', async () => {
    const text = await inside(podA, 'ip addr')
    const own = (list: (string | undefined)[]) => list.filter((each) => !/^(127|169\.254)\./.test(each!))
    expect(own(addresses(text))).toEqual(own(addresses(podA.ip('addr'))))
    expect(addresses(text)).toEqual(expect.arrayContaining([`${a.v4}/24`, `${a.v6}/64`, `${a.second}/24`]))
    expect(text).not.toContain('tentative')
  })

  test('routes of both families', async () => {
    for (const flag of ['', '-6 ']) {
      const found = routes(await inside(podA, `ip ${flag}route`))
      expect(found).toEqual(routes(podA.ip(`${flag}route`)))
      expect(found.join()).toContain('default via')
    }
    expect(await inside(podA, 'ip route')).toMatch(/10\.79\.0\.0\/16 via 10\.78\.0\.1 dev net1 .*metric 5/)
  })

  test('permanent neighbours', async () => {
    expect(await inside(podA, 'ip neigh')).toMatch(
      /10\.78\.0\.9 dev net1 lladdr 02:00:00:00:00:09 .*PERMANENT/,
    )
  })
})

describe('packets', () => {
  test.each([
    ['TCP', 4],
    ['TCP', 6],
  ])('the host reaches a pod, and a pod the host, by %s over IPv%d', async (_, version) => {
    const [there, here] = version === 4 ? [a.v4, host.v4] : [a.v6, host.v6]
    using _server = serve(podA, 'nc -ll -p 5000 -e cat')
    const text = Buffer.from('hello over there')
    expect(await eventually('the server', () => exchange(there, 5000, text).catch(() => undefined))).toEqual(
      text,
    )
    using echo = await echoServer(here)
    expect(await inside(podB, `echo from the pod | nc ${here} ${echo.port}`)).toBe('from the pod\n')
  })

  test('the host reaches a pod, a pod the other and the host, by UDP over both families', async () => {
    const port = 5001
    using _inside = serve(podB, `/tools/udp-peer ${port}`)
    using _outside = background(`${tools.path}/udp-peer`, `${port}`)
    for (const [to, from] of [
      [b.v4, undefined],
      [b.v6, undefined],
      [b.v4, podA],
      [b.v6, podA],
      [host.v4, podA],
      [host.v6, podA],
    ] as const) {
      const answer =
        from === undefined
          ? command(`${tools.path}/udp-peer`, `${port}`, to, 'by UDP')
          : await inside(from, `/tools/udp-peer ${port} ${to} 'by UDP'`)
      expect({ to, answer }).toEqual({ to, answer: 'by UDP' })
    }
  })

  test('24 MB from the host to a pod, to the other pod and all the way back are the same bytes', async () => {
    using _far = serve(podB, 'nc -ll -p 5002 -e cat')
    using _near = serve(podA, `nc -ll -p 5003 -e nc ${b.v6} 5002`)
    const probe = Buffer.from('ready')
    await eventually('the servers', () => exchange(a.v4, 5003, probe).catch(() => undefined))
    const bytes = randomFillSync(Buffer.alloc(24 * 1024 * 1024))
    const back = await exchange(a.v4, 5003, bytes)
    expect(back.length).toBe(bytes.length)
    expect(Bun.hash(back)).toBe(Bun.hash(bytes))
  })

  test('the MTU is the network’s: what fits is sent whole, a byte more in two pieces', async () => {
    const fragments = async () => {
      const [names, values] = (await inside(podA, 'grep ^Ip: /proc/net/snmp')).trim().split('\n')
      return Number(values!.split(' ')[names!.split(' ').indexOf('FragCreates')])
    }
    const headers = 28
    const start = await fragments()
    await inside(podA, `ping -c 1 -s ${mtu - headers} ${b.v4}`)
    expect(await fragments()).toBe(start)
    await inside(podA, `ping -c 1 -s ${mtu - headers + 1} ${b.v4}`)
    expect(await fragments()).toBe(start + 2)
  })

  test('localhost of the namespace is that of the machine, for those in the namespace only', async () => {
    using _server = serve(podA, 'httpd -f -p 127.0.0.1:5004 -h /etc')
    const page = () =>
      Bun.spawnSync([
        'ip',
        'netns',
        'exec',
        podA.name,
        busyboxPath,
        'wget',
        '-qO-',
        'http://127.0.0.1:5004/passwd',
      ])
    await eventually('the server', () => page().stdout.toString().includes('root:') || undefined)
    const ask = (from: TestNetns, to: string, port: number) => {
      const argv = ['timeout', '5', 'sh', '-c', `echo local | ${busyboxPath} nc -w 2 ${to} ${port}`]
      return Bun.spawnSync(['ip', 'netns', 'exec', from.name, ...argv]).stdout.toString()
    }

    // A neighbour that sends packets for localhost to the pod's own hardware address.
    using neighbour = new TestNetns('kt-c')
    join(neighbour, { v4: '10.77.0.4', v6: 'fd77::4' })
    using _other = serve(podA, 'nc -ll -p 5005 -e cat')
    await eventually('the other server', () => ask(neighbour, a.v4, 5005) === 'local\n' || undefined)
    neighbour.ip('addr del 127.0.0.1/8 dev lo')
    neighbour.run('sysctl', '-q', '-w', 'net.ipv4.conf.eth0.route_localnet=1')
    const mac = /link\/ether (\S+)/.exec(podA.ip('link show eth0'))![1]
    neighbour.ip(`neigh add 127.0.0.1 lladdr ${mac} dev eth0 nud permanent`)
    neighbour.ip('route add 127.0.0.1 dev eth0 src 10.77.0.4')
    expect(ask(podA, '127.0.0.1', 5005)).toBe('local\n')
    expect(ask(neighbour, '127.0.0.1', 5005)).toBe('')
    expect(ask(neighbour, a.v4, 5005)).toBe('local\n')
  })

  test('the second interface has its own neighbours', async () => {
    expect(await inside(podA, `ping -c 1 ${host.second}`)).toContain('1 packets received')
    expect(await inside(podA, `ping -6 -c 1 ${b.v6}`)).toContain('1 packets received')
  })
})

describe('the host', () => {
  podTest(
    'the VMM sits in a network namespace with nothing in it, its taps are the only way out',
    async () => {
      const { sandbox } = await kata.inspect(podA.name)
      const devices = readFileSync(`/proc/${sandbox.vmmPid}/net/dev`, 'utf8').match(/^\s*\S+(?=:)/gm)
      expect(devices?.map((name) => name.trim())).toEqual(['lo'])
      const shims = readFileSync(`/proc/${sandbox.shimPid}/net/dev`, 'utf8')
      expect(shims).toContain(bridge)
    },
  )

  test('the network of the host is refused, and so is what is no namespace', async () => {
    for (const [path, reason] of [
      [`/proc/${process.pid}/ns/net`, 'NETNS_HOST'],
      ['/etc/passwd', 'NETNS_INVALID'],
    ]) {
      const { code, stderr } = await kata.run(['true'], { flags: ['--network', `ns:${path}`] })
      expect({ code, reason: stderr.includes(`[${reason}]`) }).toEqual({ code: 125, reason: true })
    }
  })

  test('a killed shim leaves its redirect to gc, which takes it away', async () => {
    const { sandbox } = await kata.inspect(podB.name)
    process.kill(sandbox.shimPid, 'SIGKILL')
    await eventually('gc', async () => {
      await kata.call(['gc'])
      return JSON.stringify(namespaceState(podB)) === JSON.stringify(asMade[1]) || undefined
    })
    await kata.call(['rm', '-f', podB.name])
  })

  test('nothing is left: the namespaces are as they were made, and so is the host', async () => {
    await kata.call(['rm', '-f', podA.name])
    expect([podA, podB].map(namespaceState)).toEqual(asMade)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })
})
