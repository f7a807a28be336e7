/** A host with nothing but its localhost: prints what a container has there as JSON. */
import { killUids } from '../../linux/processes/uid-processes.ts'
import { ip } from '../testing.ts'
import { containerLink } from './addresses.ts'
import { fetchFrom, inside, lookUp, outside, serve, testLedger, together, token } from './testing.ts'
import { startUplink } from './uplink.ts'

const [, , directory = ''] = process.argv
const uid = 1_867_000_022
ip('link set lo up')
await serve(process.pid, 'host')
const ledger = testLedger(directory)
const { signal } = new AbortController()
const ports = [{ host: 8080, container: 80, protocol: 'tcp' }] as const
const { pid } = (await startUplink(ledger, { wishes: { ports }, uid, token, stateDir: directory, signal }))
  .container
await serve(pid, 'container')
const reached = await together({
  outside: fetchFrom(pid, outside.web),
  name: lookUp(pid, 'web.test', containerLink.gateway),
  'its own localhost': fetchFrom(pid, '127.0.0.1'),
  published: fetchFrom(process.pid, '127.0.0.1:8080'),
})
const address = await inside(pid, 'ip', '-4', '-o', 'addr', 'show', 'dev', 'eth0', 'scope', 'global')
const route = await inside(pid, 'ip', '-4', 'route', 'show', 'default')
await ledger.releaseAll()
await killUids(uid, uid)
console.log(JSON.stringify({ reached, address: address?.match(/inet \S+/)?.[0], route }))
process.exit(0)
