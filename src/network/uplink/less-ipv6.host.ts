/** A host whose IPv6 leads nowhere, and then one that has none: prints what a container reached as JSON. */
import { writeFileSync } from 'node:fs'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { command, ip } from '../testing.ts'
import {
  fetchFrom,
  host,
  host6,
  inside,
  makeOutside,
  nameServerOfHost,
  outside,
  outside6,
  serve,
  testLedger,
  together,
  token,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await serve(internet, 'outside')
await serve(process.pid, 'host')
const { signal } = new AbortController()
const ports = [{ host: 8080, container: 80, protocol: 'tcp' }] as const

async function container(name: string, uid: number) {
  const stateDir = `${directory}/${name}`
  command('mkdir', '-p', stateDir)
  const ledger = testLedger(stateDir)
  const { pid } = (await startUplink(ledger, { wishes: { ports }, uid, token, stateDir, signal })).container
  await serve(pid, 'container')
  const reached = await together({
    outside: fetchFrom(pid, outside.web),
    'outside, by IPv6': fetchFrom(pid, `[${outside6.web}]`),
    host: fetchFrom(pid, host.address),
    'host, by IPv6': fetchFrom(pid, `[${host6.second}]`),
    'host by IPv6, from itself': fetchFrom(process.pid, `[${host6.second}]`),
    published: fetchFrom(internet, `${host.address}:8080`),
    'published, on localhost': fetchFrom(process.pid, '127.0.0.1:8080'),
    'published, on localhost by IPv6': fetchFrom(process.pid, '[::1]:8080'),
  })
  const addresses = ((await inside(pid, 'ip', '-6', '-o', 'addr', 'show', 'scope', 'global')) ?? '').match(
    /inet6 \S+/g,
  )
  await ledger.releaseAll()
  await killUids(uid, uid)
  // A port that cannot be published as asked is said, and not left out.
  const wishes = { ports: [{ ...ports[0], address: '::1' }] }
  const refused = await startUplink(ledger, { wishes, uid, token, stateDir, signal }).then(
    () => 'started',
    String,
  )
  await ledger.releaseAll()
  await killUids(uid, uid)
  return { reached, addresses, refused }
}

ip('-6 route del default')
ip(`addr del ${host6.address}/64 dev ext0`)
const nowhere = await container('nowhere', 1_867_000_020)
writeFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', '1')
const none = await container('none', 1_867_000_021)
console.log(JSON.stringify({ nowhere, none }))
process.exit(0)
