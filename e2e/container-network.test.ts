/**
 * The network that `kata-ts run` gives a guest of its own: kept from the host's own services, and reached by a port of the host; and
 * networks that guests share.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { networkInterfaces } from 'node:os'
import { hasIpv6, hasIpv6Route } from '../src/linux/interfaces/ipv6.ts'
import { ip, TestNetns } from '../src/network/testing.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata(vmm, { network: 'default' })
  const without = await kata.run(['ls', '/sys/class/net'], { flags: ['--network', 'none'] })
  expect(without).toMatchObject({ code: 0, stdout: 'lo\n' })
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

const tables = () => Bun.spawnSync(['nft', 'list', 'tables']).stdout.toString()
const textOf = async (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(slow(5000)) }).then((answer) => answer.text())
/** Another address of the host than its localhost. */
const hostAddress = () => addresses('IPv4').find((address) => !address.startsWith('127.')) ?? ''
/** As a URL has them: all that need no scope, ::1 among them. */
const hostAddresses6 = () =>
  addresses('IPv6')
    .filter((address) => !address.startsWith('fe80:'))
    .map((address) => `[${address}]`)
const addresses = (wanted: string) =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .flatMap(({ family, address }) => (family === wanted ? [address] : []))

test(
  'without an option a guest reaches what the host is connected to, and none of the host’s own services',
  async () => {
    using neighbour = new TestNetns('kt-near')
    neighbour.veth('eth0', 'kt-near0')
    neighbour.address('eth0', '10.90.201.2/24')
    ip('addr add 10.90.201.1/24 dev kt-near0')
    const serve = `require('http').createServer((_, answer) => answer.end('of the neighbour')).listen(8000, () => console.log('up'))`
    const near = Bun.spawn(['ip', 'netns', 'exec', neighbour.name, process.execPath, '-e', serve], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await near.stdout.getReader().read()
    const served = Bun.serve({ port: 0, hostname: '0.0.0.0', fetch: () => new Response('of the host') })
    const own = ['10.90.201.1', hostAddress()]
    for (const address of own) expect(await textOf(`http://${address}:${served.port}/`)).toBe('of the host')
    const tried = own.map((address) => `wget -T 5 -qO- http://${address}:${served.port}/ 2>&1`)
    const script = ['cat /etc/resolv.conf', 'wget -T 5 -qO- http://10.90.201.2:8000/', 'echo', ...tried].join(
      ';',
    )
    const outcome = await kata.run(['sh', '-c', script])
    near.kill()
    await near.exited
    await served.stop(true)
    const refused = own.map(
      (address) => `wget: can't connect to remote host (${address}): Connection refused`,
    )
    expect({ ...outcome, code: 0 }).toEqual({
      code: 0,
      stderr: '',
      stdout: `${['nameserver 10.88.0.1', 'of the neighbour', ...refused].join('\n')}\n`,
    })
  },
  slow(120_000),
)

test(
  'a published port leads in, the host’s services stay closed, and a killed shim leaves nothing of it',
  async () => {
    const tablesBefore = tables()
    const served = Bun.serve({
      port: 0,
      hostname: hasIpv6() ? '::' : '0.0.0.0',
      fetch: () => new Response('of the host'),
    })
    const port = 20_000 + (process.pid % 10_000)
    const script = 'mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www'
    const started = await kata.call([
      ...['run', '-d', '--name', 'net', '-p', `127.0.0.1:${port}:80`, '--', 'sh', '-c', script],
    ])
    expect(started).toMatchObject({ code: 0, stderr: '' })
    expect(
      await eventually('the port', () => textOf(`http://127.0.0.1:${port}/`).catch(() => undefined)),
    ).toBe('hello\n')

    for (const address of [hostAddress(), ...hostAddresses6()]) {
      const url = `http://${address}:${served.port}/`
      expect(await textOf(url)).toBe('of the host')
      const tried = await kata.call(['exec', 'net', 'wget', '-T', '5', '-qO-', url])
      expect({ url, code: tried.code }).not.toEqual({ url, code: 0 })
      expect(tried.stdout).toBe('')
    }

    const audit = await kata.call(['audit', 'net'])
    expect(audit.code).toBe(0)
    for (const name of ['pasta', 'pasta-gateway', 'pasta-container']) expect(audit.stdout).toContain(name)
    expect(tables()).not.toBe(tablesBefore)

    process.kill((await kata.inspect('net')).sandbox.shimPid, 'SIGKILL')
    expect((await kata.call(['rm', '-f', 'net'])).code).toBe(0)
    expect((await kata.call(['gc'])).code).toBe(0)
    expect(tables()).toBe(tablesBefore)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
    await served.stop(true)
  },
  slow(180_000),
)

test(
  '-P publishes what is exposed at a free port, which `port` tells',
  async () => {
    const script = 'mkdir /www; echo exposed > /www/index.html; exec httpd -f -h /www'
    const started = await kata.call([
      ...['run', '-d', '--name', 'all', '-P', '--expose', '80', '--', 'sh', '-c', script],
    ])
    expect(started).toMatchObject({ code: 0, stderr: '' })
    const [, port] = /^0\.0\.0\.0:(\d+)\n/.exec((await kata.call(['port', 'all', '80'])).stdout) ?? []
    for (const address of ['127.0.0.1', ...(hasIpv6Route() ? hostAddresses6() : [])])
      expect(
        await eventually(address, () => textOf(`http://${address}:${port}/`).catch(() => undefined)),
      ).toBe('exposed\n')
    expect((await kata.call(['rm', '-f', 'all'])).code).toBe(0)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  slow(120_000),
)

/** As dockerd does it for networks that a person made: a name server on ports of its own choice. */
const embedded = `
const s = require('dgram').createSocket('udp4')
s.on('message', (m, f) => {
  let end = 12; while (m[end]) end += m[end] + 1
  const asked = m.subarray(12, end + 5), isA = m.readUInt16BE(end + 1) === 1
  const answer = isA ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 9, 9, 9]) : Buffer.alloc(0)
  s.send(Buffer.concat([m.subarray(0, 2), Buffer.from([0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]), asked, answer]), f.port, f.address)
})
s.bind(40000, '127.0.0.11')
require('net').createServer((c) => c.end('over tcp')).listen(40001, '127.0.0.11', () => console.log('up'))
`

test(
  'a guest asks Docker’s name server in its namespace, and reaches nothing else there',
  async () => {
    using pod = new TestNetns('kt-dns')
    pod.veth('eth0', 'kt-dns0')
    pod.address('eth0', '10.90.200.2/24')
    const server = Bun.spawn(['ip', 'netns', 'exec', pod.name, process.execPath, '-e', embedded], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await server.stdout.getReader().read()
    const script = `nslookup -type=a db.test 127.0.0.11 && nc -w 5 127.0.0.11 53 </dev/null && echo
    nc -w 3 127.0.0.11 40001 </dev/null || echo closed; nc -w 3 127.0.0.1 40001 </dev/null || echo own`
    const network = ['--network', `ns:${pod.path}`]
    const { code, stdout } = await kata.call(['run', '--rm', ...network, '--', 'sh', '-c', script])
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('10.9.9.9') })
    expect(stdout).toEndWith('over tcp\nclosed\nown\n')
    // The namespace's own processes reach it.
    const ask = `require('net').connect(40001, '127.0.0.11').on('data', (d) => console.log(String(d)))`
    expect(pod.run(process.execPath, '-e', ask)).toBe('over tcp\n')
    expect(pod.run('nft', 'list', 'tables').trim()).toBe('')
    expect(pod.ip('-o addr show dev lo')).toContain('127.0.0.1/8')
    server.kill()
    await server.exited
  },
  slow(120_000),
)

test(
  'guests on a network find each other by name, and one that lost its helpers says so and comes back',
  async () => {
    const web = 'mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www'
    const ok = async (...args: string[]) => {
      const { code, stdout, stderr } = await kata.call(args)
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
      return stdout
    }
    // Below those that the kernel gives to clients: one of them may have it just now.
    const port = 10_000 + (process.pid % 10_000)
    await ok('network', 'create', 'shop', '--subnet', '10.89.200.0/24')
    const named = ['--network', 'shop', '--network-alias', 'www', '--ip', '10.89.200.9']
    const published = ['-p', `127.0.0.1:${port}:80`, '--mac-address', '02:42:00:00:00:09']
    await ok('run', '-d', '--name', 'web', ...named, ...published, '--', 'sh', '-c', web)
    const ipv6 = hasIpv6()
      ? 'wget -T 5 -qO- http://[fd5e:9c41:7ab0::a59:c809]/; nslookup -type=aaaa www'
      : ':'
    const script = `cat /etc/resolv.conf; cat /etc/hosts; ip -o addr show dev eth0; ip route; ip -6 route
      until wget -T 5 -qO- http://web/; do sleep 1; done
      wget -T 5 -qO- http://www/ && wget -T 5 -qO- http://10.89.200.9/
      ping -c 1 10.89.200.9 >/dev/null && ip neigh show 10.89.200.9
      nslookup 10.89.200.9; ${ipv6}`
    const seen = await ok('run', '--rm', '--name', 'client', '--network', 'shop', '--', 'sh', '-c', script)
    expect(seen).toContain('nameserver 10.89.200.1\n')
    expect(seen).toContain('inet 10.89.200.2/24')
    expect(seen).toContain('default via 10.89.200.1')
    expect(seen.match(/^hello$/gm)).toHaveLength(hasIpv6() ? 4 : 3)
    expect(seen).toMatch(/9\.200\.89\.10\.in-addr\.arpa.*name = web\n/)
    if (hasIpv6()) {
      expect(seen).toContain('inet6 fd5e:9c41:7ab0::a59:c802/120')
      expect(seen).toContain('default via fd5e:9c41:7ab0::a59:c801')
      expect(seen).toContain('fd5e:9c41:7ab0::a59:c802\tclient')
      expect(seen).toMatch(/Name:\s+www\nAddress: fd5e:9c41:7ab0::a59:c809\n/)
    }
    expect(seen).toContain('02:42:00:00:00:09')

    expect(JSON.parse(await ok('network', 'inspect', 'shop'))).toMatchObject([
      { gateway: '10.89.200.1', containers: [{ container: 'web', address: '10.89.200.9' }] },
    ])
    expect((await kata.call(['network', 'rm', 'shop'])).stderr).toContain('[NETWORK_IN_USE]')
    expect(await ok('port', 'web')).toBe(`80/tcp -> 127.0.0.1:${port}\n`)

    const processes = JSON.parse(await ok('--format', 'json', 'audit', 'web'))[0].processes
    const { pid } = processes.find(({ name }: { name: string }) => name === 'pasta')
    process.kill(pid, 'SIGKILL')
    const audited = await eventually('the loss', async () => {
      const audit = await kata.call(['audit', 'web'])
      return audit.code === 0 ? undefined : audit.stdout
    })
    expect(audited).toContain('pasta')
    expect(await ok('ps')).toContain('running (network lost)')
    expect((await kata.inspect('web')).sandbox.networkLost).toBe(true)
    await ok('restart', 'web')
    expect((await kata.inspect('web')).sandbox.networkLost).toBe(false)
    expect(
      await eventually('the port', () => textOf(`http://127.0.0.1:${port}/`).catch(() => undefined)),
    ).toBe('hello\n')

    await ok('rm', '-f', 'web')
    await ok('network', 'rm', 'shop')
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  slow(300_000),
)
