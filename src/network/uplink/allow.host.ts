/** The host of a container that may reach some names only: what it reached as JSON, attacks and what shows that they could succeed. */
import { readOomScore, writeOomScore } from '../../linux/processes/oom-score.ts'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { containerLink, ipv6Beside } from './addresses.ts'
import {
  clouds,
  fetchFrom,
  host,
  host6,
  lookUp,
  lookUp6,
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
  visit,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_002
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
const names = {
  'good.test': [outside.web, outside6.web],
  'bad.test': [outside.other, outside6.other],
  'port.test': [outside.other, outside6.other],
  // Names that an attacker has in his hands lead elsewhere, at once or at the second question.
  'loopback.test': ['127.0.0.1', '::1'],
  'private.test': ['10.1.2.3', 'fd00::1'],
  'link.test': ['169.254.169.254', 'fe80::1'],
  'mapped.test': ['::ffff:203.0.113.2'],
  'cloud.test': [clouds.azure, clouds.aws6],
  'rebind.test': [outside.third, '192.168.7.7', outside6.third, 'fd00::7'],
  'host.test': [host.address, host6.address],
  'short.test': [outside.short],
}
await Promise.all([
  serve(internet, 'outside'),
  serve(internet, 'at-8443', 8443),
  serve(process.pid, 'host'),
  serveNames(internet, names, outside.dns),
  serveNames(internet, names, outside.router),
  serveUdp(internet, 443, 'udp'),
])
const ledger = testLedger(directory)
const { signal } = new AbortController()
const allowed = [
  ...[
    'good.test',
    'loopback.test',
    'private.test',
    'link.test',
    'mapped.test',
    'cloud.test',
    'rebind.test',
    'host.test',
    'short.test',
  ].map((name) => ({ host: name })),
  { host: 'port.test', port: 8443 },
  { host: outside.router, port: 8443 },
  { host: outside6.router, port: 8443 },
]
const program = { executable: process.execPath, prefix: [`${import.meta.dir}/../../cli/main.ts`] }
// As a shim's is not that of a pod.
writeOomScore('self', 300)
const { container } = await startUplink(ledger, {
  wishes: { ports: [], allowed },
  uid,
  token,
  stateDir: directory,
  signal,
  program,
})
const scores = { own: readOomScore('self'), network: [...new Set(processesOfUid(uid).map(readOomScore))] }
const from = container.pid
const server = containerLink.gateway
const before6 = await together({
  'an address before its name': fetchFrom(from, `[${outside6.web}]`),
  'the same, from the host': fetchFrom(process.pid, `[${outside6.web}]`),
})
const before = await together({
  'an address before its name': fetchFrom(from, outside.web),
  'the same, from the host': fetchFrom(process.pid, outside.web),
})
const looked = await together({
  good: lookUp(from, 'good.test', server),
  bad: lookUp(from, 'bad.test', server),
  port: lookUp(from, 'port.test', server),
  loopback: lookUp(from, 'loopback.test', server),
  private: lookUp(from, 'private.test', server),
  link: lookUp(from, 'link.test', server),
  cloud: lookUp(from, 'cloud.test', server),
  'cloud, from the host': lookUp(process.pid, 'cloud.test', outside.dns),
  host: lookUp(from, 'host.test', server),
  'first of rebind': lookUp(from, 'rebind.test', server),
  'bad, by another name server': lookUp(from, 'bad.test', outside.router),
  'bad, by another name server, from the host': lookUp(process.pid, 'bad.test', outside.router),
})
const reached = await together({
  good: fetchFrom(from, outside.web),
  bad: fetchFrom(from, outside.other),
  'bad, from the host': fetchFrom(process.pid, outside.other),
  'allowed port': fetchFrom(from, `${outside.other}:8443`),
  'allowed address': fetchFrom(from, `${outside.router}:8443`),
  'allowed address, another port': fetchFrom(from, outside.router),
  'a name that leads to the host': fetchFrom(from, host.address),
  'a name that leads to metadata': fetchFrom(from, clouds.azure),
  'metadata, from the host': fetchFrom(process.pid, clouds.azure),
  'UDP 443 of an open address': sayUdp(from, outside.web, 443),
  'UDP 443, from the host': sayUdp(process.pid, outside.web, 443),
  short: visit(from, 'short.test', server),
})
const looked6 = await together({
  good: lookUp6(from, 'good.test', server),
  bad: lookUp6(from, 'bad.test', server),
  port: lookUp6(from, 'port.test', server),
  loopback: lookUp6(from, 'loopback.test', server),
  private: lookUp6(from, 'private.test', server),
  link: lookUp6(from, 'link.test', server),
  mapped: lookUp6(from, 'mapped.test', server),
  cloud: lookUp6(from, 'cloud.test', server),
  host: lookUp6(from, 'host.test', server),
  'first of rebind': lookUp6(from, 'rebind.test', server),
  'cloud, from the host': lookUp6(process.pid, 'cloud.test', outside.dns),
})
const reached6 = await together({
  good: fetchFrom(from, `[${outside6.web}]`),
  bad: fetchFrom(from, `[${outside6.other}]`),
  'bad, from the host': fetchFrom(process.pid, `[${outside6.other}]`),
  'allowed port': fetchFrom(from, `[${outside6.other}]:8443`),
  'allowed address': fetchFrom(from, `[${outside6.router}]:8443`),
  'allowed address, another port': fetchFrom(from, `[${outside6.router}]`),
  'a name that leads to the host': fetchFrom(from, `[${host6.address}]`),
  'a name that leads to metadata': fetchFrom(from, `[${clouds.aws6}]`),
  'metadata, from the host': fetchFrom(process.pid, `[${clouds.aws6}]`),
  'an open address of IPv4 in IPv6': fetchFrom(from, `[64:ff9b::${outside.web}]`),
  'the gateway': fetchFrom(from, `[${ipv6Beside(server)}]`),
  'UDP 443 of an open address': sayUdp(from, outside6.web, 443),
  'UDP 443, from the host': sayUdp(process.pid, outside6.web, 443),
  'second of rebind': lookUp6(from, 'rebind.test', server),
})
await Bun.sleep(5500)
const later = await together({
  'after its time': fetchFrom(from, outside.short),
  'after its time, from the host': fetchFrom(process.pid, outside.short),
  'second of rebind': lookUp(from, 'rebind.test', server),
})
const again = await visit(from, 'short.test', server)
await ledger.releaseAll()
await killUids(uid, uid)
console.log(JSON.stringify({ before, looked, reached, later, again, before6, looked6, reached6, scores }))
process.exit(0)
