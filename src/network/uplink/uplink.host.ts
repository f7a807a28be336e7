/** The host of uplink.root.test.ts, in network and mount namespaces of its own: prints what a container reached as JSON. */
import { readFileSync } from 'node:fs'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { command } from '../testing.ts'
import { containerLink, pastaLink } from './addresses.ts'
import {
  fetchFrom,
  host,
  lookUp,
  makeOutside,
  nameServerOfHost,
  outside,
  serve,
  serveNames,
  testLedger,
  together,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 2_067_000_001
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await serve(internet, 'outside')
await serve(process.pid, 'host')
await serveNames(internet, { 'web.test': [outside.web] }, outside.dns)
const ledger = testLedger(directory)
const { signal } = new AbortController()
const ports = [{ host: 8080, container: 80, protocol: 'tcp' }] as const
const { container } = await startUplink(ledger, { wishes: { ports }, uid, stateDir: directory, signal })
await serve(container.pid, 'container')
const from = container.pid
const reached = await together({
  outside: fetchFrom(from, outside.web),
  name: lookUp(from, 'web.test', containerLink.gateway),
  host: fetchFrom(from, host.address),
  'another address of the host': fetchFrom(from, host.second),
  'no address': fetchFrom(from, '0.0.0.1'),
  gateway: fetchFrom(from, containerLink.gateway),
  'pasta’s gateway': fetchFrom(from, pastaLink.gateway),
  metadata: fetchFrom(from, '169.254.169.254'),
  'a port of its own, by the host': fetchFrom(from, `${host.address}:8080`),
  'the host, from itself': fetchFrom(process.pid, host.address),
  'metadata, from the host': fetchFrom(process.pid, '169.254.169.254'),
  'published, on localhost': fetchFrom(process.pid, '127.0.0.1:8080'),
  'published, from outside': fetchFrom(internet, `${host.address}:8080`),
})
// A client of the host's own that closes first: its last word is the kernel's.
command('bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80; exec 3>&-; sleep 1')
const lastAck = '09'
const unclosed = readFileSync('/proc/self/net/tcp', 'utf8')
  .split('\n')
  .filter((line) => line.trim().split(/\s+/)[3] === lastAck).length
await ledger.releaseAll()
await killUids(uid, uid)
const left = { processes: processesOfUid(uid), tables: command('nft', 'list', 'tables').trim() }
console.log(JSON.stringify({ reached, unclosed, left }))
process.exit(0)
