/** The host of uplink.root.test.ts, in network and mount namespaces of its own: prints what a container reached as JSON. */
import { readFileSync, writeFileSync } from 'node:fs'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { macAt, questionFrame, remembered, sendFrames } from '../shared/neighbour-attack.ts'
import { command } from '../testing.ts'
import { containerLink, gatewayLinks, ipv6Beside, pastaLink, pastaLinkIpv6 } from './addresses.ts'
import {
  clouds,
  connectAs,
  fetchFrom,
  host,
  host6,
  inUrl,
  lookUp,
  makeOutside,
  nameServerOfHost,
  outside,
  outside6,
  sayUdp,
  serve,
  serveNames,
  serveUdp,
  testLedger,
  together,
  token,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_001
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await serve(internet, 'outside')
await serve(process.pid, 'host')
await serveUdp(process.pid, 7000, 'udp')
await serveNames(internet, { 'web.test': [outside.web] }, outside.dns)
const ledger = testLedger(directory)
const { signal } = new AbortController()
const ports = [
  { host: 8080, container: 80, protocol: 'tcp' },
  { address: '0.0.0.0', host: 8081, container: 80, protocol: 'tcp' },
  { address: '::', host: 8082, container: 80, protocol: 'tcp' },
] as const
const { container, gateway } = await startUplink(ledger, {
  wishes: { ports },
  uid,
  token,
  stateDir: directory,
  signal,
})
await serve(container.pid, 'container')
const from = container.pid
// The container has sent nothing yet: its gateway has to find it.
const first = await fetchFrom(process.pid, '[::1]:8080')
const reached = await together({
  outside: fetchFrom(from, outside.web),
  name: lookUp(from, 'web.test', containerLink.gateway),
  host: fetchFrom(from, host.address),
  'another address of the host': fetchFrom(from, host.second),
  'no address': fetchFrom(from, '0.0.0.1'),
  gateway: fetchFrom(from, containerLink.gateway),
  'pasta’s gateway': fetchFrom(from, pastaLink.gateway),
  'a port of its own, by the host': fetchFrom(from, `${host.address}:8080`),
  'the host, from itself': fetchFrom(process.pid, host.address),
  'published, on localhost': fetchFrom(process.pid, '127.0.0.1:8080'),
  'published, from outside': fetchFrom(internet, `${host.address}:8080`),
})
/** What somebody gets at each cloud's service. */
const atClouds = <Answer>(ask: (address: string) => Promise<Answer>) =>
  together(Object.fromEntries(Object.entries(clouds).map(([name, address]) => [name, ask(address)])))
const metadata = {
  container: await atClouds((address) => fetchFrom(from, inUrl(address))),
  host: await atClouds((address) => fetchFrom(process.pid, inUrl(address))),
  network: await atClouds((address) => connectAs(uid, address, 80)),
  other: await atClouds((address) => connectAs(uid + 1, address, 80)),
}
const ipv6 = await together({
  outside: fetchFrom(from, `[${outside6.web}]`),
  host: fetchFrom(from, `[${host6.address}]`),
  'another address of the host': fetchFrom(from, `[${host6.second}]`),
  'the host as a router': sayUdp(from, host6.anycast, 7000),
  'the host, by an address of IPv4': fetchFrom(from, `[::ffff:${host.address}]`),
  gateway: fetchFrom(from, `[${ipv6Beside(containerLink.gateway)}]`),
  'pasta’s gateway': fetchFrom(from, `[${pastaLinkIpv6.gateway}]`),
  'what stands for the host’s localhost': fetchFrom(from, `[${pastaLinkIpv6.localhost}]`),
  'a port of its own, by the host': fetchFrom(from, `[${host6.address}]:8080`),
  'the host, from itself': fetchFrom(process.pid, `[${host6.address}]`),
  'the host as a router, from itself': sayUdp(process.pid, host6.anycast, 7000),
  'the host, from outside': fetchFrom(internet, `[${host6.address}]`),
  'published, on localhost': fetchFrom(process.pid, '[::1]:8080'),
  'published by IPv4, by IPv6': fetchFrom(internet, `[${host6.address}]:8081`),
  'published by IPv6, by IPv4': fetchFrom(internet, `${host.address}:8082`),
  'published by IPv4': fetchFrom(internet, `${host.address}:8081`),
  'published by IPv6': fetchFrom(internet, `[${host6.address}]:8082`),
  'published, on the host': fetchFrom(process.pid, `[${host6.address}]:8080`),
  'published, from outside': fetchFrom(internet, `[${host6.address}]:8080`),
})
// What the container makes its gateway's kernel remember, which has room for all of the host's namespaces together.
const mac = macAt(from, 'eth0')
const toGateway = { address: containerLink.gateway, mac: macAt(gateway.pid, gatewayLinks.down) }
const strangers = ['10.88.1.1', '203.0.113.9', 'fd5e:9c41:7ab0::1:1', '2001:db8::9', 'fe80::9']
sendFrames(
  from,
  ...strangers.map((address) =>
    questionFrame(
      { address, mac },
      address.includes(':') ? { ...toGateway, address: ipv6Beside(toGateway.address) } : toGateway,
    ),
  ),
)
const neighbours = remembered(gateway.pid, '10.88.0.2', ':a58:2')
const linkLocal = `${/inet6 (fe80[^/]+)/.exec(command('ip', '-6', 'addr', 'show', 'dev', 'ext0'))![1]}%ext0`
/** Whatever runs as the network's user in the host's namespace: a pasta that was taken over, and a user that is nothing here. */
const as = (user: number) =>
  together(
    Object.fromEntries(
      [host.address, '127.0.0.1', host6.address, host6.second, '::1', linkLocal].map((address) => [
        address === linkLocal ? 'link-local' : address,
        connectAs(user, address, 80),
      ]),
    ),
  )
const users = { network: await as(uid), other: await as(uid + 1) }
// A client of the host's own that closes first: its last word is the kernel's.
command('bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80; exec 3>&-; sleep 1')
const lastAck = '09'
const unclosed = readFileSync('/proc/self/net/tcp6', 'utf8')
  .split('\n')
  .filter((line) => line.trim().split(/\s+/)[3] === lastAck).length
await ledger.releaseAll()
await killUids(uid, uid)
// A port that somebody has at one address is not published at all others.
const somebody = [
  Bun.listen({ hostname: '127.0.0.1', port: 8083, socket: { data() {} } }),
  await Bun.udpSocket({ hostname: '127.0.0.1', port: 8084 }),
]
const taken = await together(
  Object.fromEntries(
    somebody.map(({ port }, index) => {
      const wishes = { ports: [{ host: port, container: 80, protocol: (['tcp', 'udp'] as const)[index]! }] }
      const start = startUplink(ledger, { wishes, uid: uid + 2 + index, token, stateDir: directory, signal })
      return [port, start.then(() => 'started', String)]
    }),
  ),
)
await ledger.releaseAll()
// One that is root's, before and after the operator has opened it to everybody.
const low = (user: number) =>
  startUplink(ledger, {
    wishes: { ports: [{ host: 443, container: 80, protocol: 'tcp' }] },
    uid: user,
    token,
    stateDir: directory,
    signal,
  })
const reserved = { before: await low(uid + 4).then(() => 'started', String) }
writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '443')
const opened = await low(uid + 4)
await serve(opened.container.pid, 'low')
const after = await fetchFrom(process.pid, `${host.address}:443`)
await ledger.releaseAll()
await killUids(uid + 4, uid + 4)
const left = { processes: processesOfUid(uid), tables: command('nft', 'list', 'tables').trim() }
console.log(
  JSON.stringify({
    first,
    reached,
    metadata,
    ipv6,
    neighbours,
    users,
    unclosed,
    taken,
    reserved: { ...reserved, after },
    left,
  }),
)
process.exit(0)
