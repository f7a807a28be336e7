/** The host of a container that may reach some names only: what it reached as JSON, attacks and what shows that they could succeed. */
import { killUids } from '../../linux/processes/uid-processes.ts'
import { containerLink } from './addresses.ts'
import {
  fetchFrom,
  host,
  inside,
  lookUp,
  makeOutside,
  nameServerOfHost,
  outside,
  serve,
  serveNames,
  started,
  testLedger,
  together,
  visit,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 2_067_000_002
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
const names = {
  'good.test': [outside.web],
  'bad.test': [outside.other],
  'port.test': [outside.other],
  // Names that an attacker has in his hands lead elsewhere, at once or at the second question.
  'loopback.test': ['127.0.0.1'],
  'private.test': ['10.1.2.3'],
  'link.test': ['169.254.169.254'],
  'rebind.test': [outside.third, '192.168.7.7'],
  'host.test': [host.address],
  'short.test': [outside.short],
}
const udpEcho = (address: string, port: number) =>
  `const s = require('dgram').createSocket('udp4'); s.on('message', (m, f) => s.send('udp ' + m, f.port, f.address)); s.bind(${port}, '${address}', () => console.log('up'))`
await Promise.all([
  serve(internet, 'outside'),
  serve(internet, 'at-8443', 8443),
  serve(process.pid, 'host'),
  serveNames(internet, names, outside.dns),
  serveNames(internet, names, outside.router),
  started(internet, udpEcho(outside.web, 443)),
])
const ledger = testLedger(directory)
const { signal } = new AbortController()
const allowed = [
  ...[
    'good.test',
    'loopback.test',
    'private.test',
    'link.test',
    'rebind.test',
    'host.test',
    'short.test',
  ].map((name) => ({ host: name })),
  { host: 'port.test', port: 8443 },
  { host: '203.0.113.1', port: 8443 },
]
const program = { executable: process.execPath, prefix: [`${import.meta.dir}/../../cli/main.ts`] }
const { container } = await startUplink(ledger, {
  ...{ wishes: { ports: [], allowed }, uid, stateDir: directory, signal, program },
})
const from = container.pid
const server = containerLink.gateway
const udp = (pid: number, address: string) =>
  inside(
    pid,
    process.execPath,
    '-e',
    `const s = require('dgram').createSocket('udp4'); s.on('message', (m) => { console.log('' + m); process.exit(0) }); s.on('error', () => process.exit(1)); s.send('hi', 443, '${address}'); setTimeout(() => process.exit(1), 3000)`,
  )
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
  'allowed address': fetchFrom(from, '203.0.113.1:8443'),
  'allowed address, another port': fetchFrom(from, '203.0.113.1'),
  'a name that leads to the host': fetchFrom(from, host.address),
  'a name that leads to metadata': fetchFrom(from, '169.254.169.254'),
  'UDP 443 of an open address': udp(from, outside.web),
  'UDP 443, from the host': udp(process.pid, outside.web),
  'an address of IPv6': inside(from, 'ip', '-6', '-o', 'addr'),
  short: visit(from, 'short.test', server),
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
console.log(JSON.stringify({ before, looked, reached, later, again }))
process.exit(0)
