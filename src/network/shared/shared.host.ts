/** The host of shared.root.test.ts: containers on two networks, with what they reached, as JSON. */
import { existsSync, statSync } from 'node:fs'
import type { NetworkPlace, NetworkWishes } from '../../bundle/network.ts'
import { openNetns } from '../../linux/processes/netns.ts'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { command } from '../testing.ts'
import { gatewayLinks, ipv6Beside } from '../uplink/addresses.ts'
import {
  fetchFrom,
  host,
  host6,
  inside,
  lookUp,
  lookUp6,
  makeOutside,
  nameServerOfHost,
  outside,
  outside6,
  reverse,
  serve,
  serveNames,
  testLedger,
  together,
  token,
} from '../uplink/testing.ts'
import { startUplink } from '../uplink/uplink.ts'
import {
  claimFrame,
  known,
  learned,
  macAt,
  questionFrame,
  remembered,
  sendFrames,
} from './neighbour-attack.ts'
import { joinNetwork, liveMembers, membersDir, plugIn } from './shared.ts'

const uid = 1_867_000_010
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await Promise.all([
  serve(internet, 'outside'),
  serve(process.pid, 'host'),
  serveNames(internet, { 'web.test': [outside.web] }, outside.dns),
])
const { signal } = new AbortController()
const program = { executable: process.execPath, prefix: [`${import.meta.dir}/../../cli/main.ts`] }
let count = 0

async function container(id: string, place: Omit<NetworkPlace, 'bits'>, more: Partial<NetworkWishes> = {}) {
  const own = uid + count++
  command('mkdir', '-p', `${directory}/${id}`)
  const ledger = testLedger(`${directory}/${id}`)
  const members = membersDir(directory, 'default', place.network)
  const mac = `02:42:${place.address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join(':')}`
  const whole = { ...place, bits: 24 }
  const wishes = { ports: [], place: whole, mac, ...more }
  const joined = await joinNetwork(ledger, { members, id, place: whole })
  const launched = await startUplink(ledger, {
    wishes,
    members,
    uid: own,
    token,
    stateDir: `${directory}/${id}`,
    signal,
    program,
  })
  const gateway = openNetns(`/proc/${launched.gateway.pid}/ns/net`)
  plugIn(joined, gateway)
  gateway.close()
  const { pid } = launched.container
  await serve(pid, id)
  const end = async () => {
    await ledger.releaseAll()
    await killUids(own, own)
    joined.netns.close()
  }
  return { pid, gateway: launched.gateway.pid, mac, uid: own, members, netns: joined.netns, end }
}

const gateway = '10.89.0.1'
const web = await container(
  'web',
  { network: 'front', address: '10.89.0.2', gateway, names: ['web', 'shop'] },
  { ports: [{ host: 8080, container: 80, protocol: 'tcp' }] },
)
const db = await container('db', { network: 'front', address: '10.89.0.3', gateway, names: ['db', 'shop'] })
const shut = await container(
  'shut',
  { network: 'back', address: '10.89.1.2', gateway: '10.89.1.1', names: ['shut'] },
  { allowed: [] },
)
const near = await container(
  'near',
  { network: 'back', address: '10.89.1.3', gateway: '10.89.1.1', names: ['near'] },
  { allowed: [] },
)
const inDb = (...argv: string[]) => command('nsenter', `--net=/proc/${db.pid}/ns/net`, ...argv)
/** Its own time limit: a time-out of http.get() does not count while it connects. */
const askFrom = (address: string, where: string) => {
  const program = `setTimeout(() => process.exit(1), 4000); require('http').get({ host: '${where}', localAddress: '${address}' }, (r) => r.on('data', (d) => { console.log('' + d); process.exit(0) })).on('error', () => process.exit(1))`
  return inside(db.pid, process.execPath, '-e', program)
}
/** From a container that puts another address on its card, or says that it is the gateway. */
const spoof = async (address: string, where: string) => {
  const fake = [`${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'eth0']
  inDb('ip', 'addr', 'add', ...fake)
  const answer = await askFrom(address, where)
  inDb('ip', 'addr', 'del', ...fake)
  return answer
}
const reached = await together({
  'by address': fetchFrom(web.pid, '10.89.0.3'),
  'the other way': fetchFrom(db.pid, '10.89.0.2'),
  'by name': lookUp(web.pid, 'db', gateway),
  'by a name in capitals': lookUp(web.pid, 'DB', gateway),
  'a name of both': lookUp(db.pid, 'shop', gateway),
  'a name outside': lookUp(web.pid, 'web.test', gateway),
  'a name on another network': lookUp(web.pid, 'near', gateway),
  outside: fetchFrom(web.pid, outside.web),
  host: fetchFrom(web.pid, host.address),
  'host, by the gateway': fetchFrom(web.pid, gateway),
  'host, from itself': fetchFrom(process.pid, host.address),
  metadata: fetchFrom(web.pid, '169.254.169.254'),
  'published, on localhost': fetchFrom(process.pid, '127.0.0.1:8080'),
  'published, by a container': fetchFrom(db.pid, `${host.address}:8080`),
  'another network': fetchFrom(web.pid, '10.89.1.3'),
  'within the internal network': fetchFrom(shut.pid, '10.89.1.3'),
  'a name within it': lookUp(shut.pid, 'near', '10.89.1.1'),
  'outside, from within it': fetchFrom(shut.pid, outside.web),
  'a name outside, from within it': lookUp(shut.pid, 'web.test', '10.89.1.1'),
  'its name server, from outside of it': lookUp(web.pid, 'near', '10.89.1.1'),
})
const reached6 = await together({
  'by address': fetchFrom(web.pid, `[${ipv6Beside('10.89.0.3')}]`),
  'the other way': fetchFrom(db.pid, `[${ipv6Beside('10.89.0.2')}]`),
  'by name': lookUp6(web.pid, 'db', gateway),
  outside: fetchFrom(web.pid, `[${outside6.web}]`),
  host: fetchFrom(web.pid, `[${host6.address}]`),
  'host, by the gateway': fetchFrom(web.pid, `[${ipv6Beside(gateway)}]`),
  'host, from itself': fetchFrom(process.pid, `[${host6.address}]`),
  'published, on localhost': fetchFrom(process.pid, '[::1]:8080'),
  'published, by a container': fetchFrom(db.pid, `[${host6.address}]:8080`),
  'another network': fetchFrom(web.pid, `[${ipv6Beside('10.89.1.3')}]`),
  'within the internal network': fetchFrom(shut.pid, `[${ipv6Beside('10.89.1.3')}]`),
  'outside, from within it': fetchFrom(shut.pid, `[${outside6.web}]`),
})
const names = await together({
  'of an address': reverse(web.pid, '10.89.0.3', gateway),
  'of an IPv6 address': reverse(web.pid, ipv6Beside('10.89.0.3'), gateway),
  'of nobody': reverse(web.pid, '10.89.0.200', gateway),
  'of an address on another network': reverse(web.pid, '10.89.1.3', gateway),
  'of an address, within the internal network': reverse(shut.pid, '10.89.1.3', '10.89.1.1'),
})
const web6 = ipv6Beside('10.89.0.2')
const db6 = ipv6Beside('10.89.0.3')
const spoofed = await together({
  'with its own address': askFrom('10.89.0.3', '10.89.0.2'),
  'with another address': spoof('10.89.0.9', '10.89.0.2'),
  'as the gateway': spoof('10.89.0.1', '10.89.0.2'),
})
const spoofed6 = await together({
  'with another address': spoof(ipv6Beside('10.89.0.9'), web6),
  'as the gateway': spoof(ipv6Beside(gateway), web6),
  'with its own address': askFrom(db6, web6),
})
const liar = '02:00:00:00:00:66'
/** What `web` takes for the hardware address of `target` once `db` has said that it is the liar's. */
async function claim(target: string, from: string): Promise<string> {
  const scoped = target.startsWith('fe80:') ? `${target}%eth0` : target
  await inside(web.pid, 'timeout', '2', 'bash', '-c', `exec 3<>/dev/tcp/${scoped}/9`)
  const before = known(web.pid, target)
  const to = { address: web6, mac: web.mac }
  sendFrames(db.pid, claimFrame({ target, at: liar, from: { address: from, mac: db.mac }, to }))
  await Bun.sleep(200)
  const after = known(web.pid, target)
  if (after === liar) return 'believed'
  return before !== undefined && after === before ? 'as before' : `${before} became ${after}`
}
const gateway6 = ipv6Beside(gateway)
const onLink = (address: string) => `fe80::${address.split('::')[1]}`
const claimed = {
  'of the gateway’s address on the link': await claim(onLink(gateway6), onLink(db6)),
  'of the gateway': await claim(gateway6, db6),
  'of the gateway, as the gateway': await claim(gateway6, gateway6),
  // What shows that the words are understood: its own address is its own to give away.
  'of itself': await claim(db6, db6),
  'of itself, on the link': await claim(onLink(db6), onLink(db6)),
}
// What a container makes its gateway's kernel remember, which has room for all of the host's namespaces together.
const toGateway = { address: gateway, mac: macAt(db.gateway, gatewayLinks.down) }
const toGateway6 = { ...toGateway, address: gateway6 }
const foreign = '02:00:00:00:00:67'
sendFrames(
  db.pid,
  questionFrame({ address: '10.89.0.66', mac: db.mac }, toGateway),
  questionFrame({ address: '10.99.0.66', mac: db.mac }, toGateway),
  questionFrame({ address: ipv6Beside('10.89.0.66'), mac: db.mac }, toGateway6),
  questionFrame({ address: '2001:db8::66', mac: db.mac }, toGateway6),
  questionFrame({ address: '10.89.0.3', mac: foreign }, toGateway),
)
for (const nobody of ['10.89.0.77', ipv6Beside('10.89.0.77')]) {
  inDb('ip', 'route', 'add', nobody, 'via', nobody.includes(':') ? gateway6 : gateway)
  await inside(db.pid, 'bash', '-c', `echo > /dev/udp/${nobody}/9`)
}
const memory = {
  neighbours: remembered(db.gateway, '10.89.0.3', ':a59:3'),
  cards: learned(db.gateway).filter((mac) => mac === foreign),
}
const held = liveMembers(web.members).length
await web.end()
// Without the container that made it the network goes on, and its name is nobody's.
const later = {
  'a name of one that ended': await lookUp(db.pid, 'web', gateway),
  'a name of the other alone': await lookUp(db.pid, 'shop', gateway),
}
const again = await container('web', { network: 'front', address: '10.89.0.2', gateway, names: ['web'] })
const after = { 'once it runs again': await fetchFrom(db.pid, '10.89.0.2') }
const same = again.netns.identity === db.netns.identity
const open = statSync(web.members).mode & 0o777
for (const each of [again, db, shut, near]) await each.end()
const left = {
  processes: [web, again, db, shut, near].flatMap(({ uid }) => processesOfUid(uid)),
  tables: command('nft', 'list', 'tables').trim(),
  directory: existsSync(`${directory}/networks`),
}
console.log(
  JSON.stringify({
    reached,
    reached6,
    names,
    spoofed,
    spoofed6,
    claimed,
    memory,
    held,
    later,
    after,
    same,
    open,
    left,
  }),
)
process.exit(0)
