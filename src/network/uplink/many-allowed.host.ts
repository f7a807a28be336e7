/** The host of a container that may reach more names and addresses than one argument of a program can name: the last of them, as JSON. */
import { killUids } from '../../linux/processes/uid-processes.ts'
import { containerLink } from './addresses.ts'
import {
  fetchFrom,
  lookUp,
  makeOutside,
  nameServerOfHost,
  outside,
  serve,
  serveNames,
  testLedger,
  token,
} from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_080
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await serve(internet, 'outside')
await serveNames(internet, { 'web.test': [outside.third] }, outside.dns)
const many = Array.from({ length: 3000 }, (_, index) => index)
const allowed = [
  ...many.map((index) => ({ host: `192.0.${index >> 8}.${index & 0xff}`, port: 443 })),
  ...many.map((index) => ({ host: `bucket-${index}.eu-central-1.storage.test` })),
  { host: outside.web, port: 80 },
  { host: 'web.test' },
]
const ledger = testLedger(directory)
const { signal } = new AbortController()
const program = { executable: process.execPath, prefix: [`${import.meta.dir}/../../cli/main.ts`] }
const wishes = { ports: [], allowed }
const { container } = await startUplink(ledger, { wishes, uid, token, stateDir: directory, signal, program })
const reached = {
  address: await fetchFrom(container.pid, outside.web),
  name: await lookUp(container.pid, 'web.test', containerLink.gateway),
}
await ledger.releaseAll()
await killUids(uid, uid)
console.log(JSON.stringify(reached))
process.exit(0)
