/** The host of a container whose network loses its rules and its processes: what came of that, as JSON. */
import { processResource } from '../../ledger/process-resource.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { createLogger } from '../../log.ts'
import { readPostureRecords } from '../../rootless/posture/posture-record.ts'
import { poll } from '../../time.ts'
import { command } from '../testing.ts'
import { containerLink } from './addresses.ts'
import {
  connectAs,
  host,
  inside,
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

const uid = 1_867_000_030
const [, , directory = ''] = process.argv
const internet = await makeOutside()
nameServerOfHost(outside.dns)
await serve(process.pid, 'host')
await serveNames(internet, { 'good.test': [outside.web] }, outside.dns)
const ledger = testLedger(directory)
const program = { executable: process.execPath, prefix: [`${import.meta.dir}/../../cli/main.ts`] }
const { signal } = new AbortController()
const wishes = { ports: [], allowed: [{ host: 'good.test' }] }
const uplink = await startUplink(ledger, { wishes, uid, token, stateDir: directory, signal, program })
const told: string[] = []
const log = createLogger({
  sink: ({ message, fields }) => told.push(`${message} ${String(fields.error ?? '')}`),
})
const over = new AbortController()
const toHost = () => connectAs(uid, host.address, 80)
const within = <T>(look: () => T | undefined | Promise<T | undefined>) =>
  poll(look, { timeoutMs: 15_000, everyMs: 100 })
const closed = () => within(async () => ((await toHost()) === 'connected' ? undefined : 'closed'))
const lines = (count: number) => within(() => (told.length >= count ? told.length : undefined))
const resolver = () => readPostureRecords(directory).find(({ name }) => name === 'resolver')?.ref
const ask = () => lookUp(uplink.container.pid, 'good.test', containerLink.gateway)

const made = await toHost()
command('nft', 'flush', 'ruleset')
// What shows that nothing else closes the host.
const flushed = await toHost()
/** A service of the host that speaks first, and what it hears by connections that were begun now. */
const heard: string[] = []
Bun.listen({
  hostname: '0.0.0.0',
  port: 9000,
  socket: {
    async open(socket) {
      while (socket.write('tick\n') >= 0) await Bun.sleep(200)
    },
    data: (_, said) => void heard.push(String(said).trim()),
  },
})
const late = (user: number) =>
  inside(
    process.pid,
    ...['setpriv', '--reuid', `${user}`, '--clear-groups', '--', 'bash', '-c'],
    `exec 3<>/dev/tcp/${host.address}/9000; sleep 6; echo of-${user - uid} >&3; sleep 1`,
  )
const carried = Promise.all([late(uid), late(uid + 1)])
await Bun.sleep(1000)
uplink.lookAfter(log, over.signal)
const after = { 'the whole filter': await closed() }
await lines(1)
await carried
command('nft', 'flush', 'table', 'inet', `kata-ts-${uid}-${token.slice(0, 8)}`)
await lines(2)
const again = { 'one table': await closed() }

const first = resolver()!
process.kill(first.pid, 'SIGKILL')
const second = await within(() => {
  const now = resolver()
  return now?.pid === first.pid ? undefined : now
})
const names = {
  answered: await within(ask),
  held: ledger.dataOf(processResource).filter(({ name }) => name === 'resolver').length,
  another: second !== undefined,
}
const before = told.length
process.kill(uplink.ref.pid, 'SIGKILL')
await lines(before + 1)
await Bun.sleep(1500)
const end = told.slice(before)
over.abort()
await ledger.releaseAll()
await killUids(uid, uid)
const left = command('nft', 'list', 'tables').trim()
console.log(
  JSON.stringify({ made, flushed, heard, after, again, told: told.slice(0, before), names, end, left }),
)
process.exit(0)
