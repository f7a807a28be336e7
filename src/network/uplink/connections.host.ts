/** A container that opens more connections than its network may have: what came of them, as JSON. */
import { readFileSync, writeFileSync } from 'node:fs'
import { ownDescriptorRights } from '../../linux/processes/descriptor-limit.ts'
import { command } from '../testing.ts'
import { makeOutside, outside, started, testLedger, token } from './testing.ts'
import { startUplink } from './uplink.ts'

const uid = 1_867_000_070
const [, , directory = ''] = process.argv
const internet = await makeOutside()
await started(
  internet,
  `Bun.listen({ hostname: '${outside.web}', port: 80, socket: { data: (socket, said) => socket.write(said) } }); console.log('up')`,
)
const ledger = testLedger(directory)
const { signal } = new AbortController()
const ports = [{ protocol: 'tcp', host: 8080, container: 80 }] as const
const { hard } = ownDescriptorRights()
/** Keeps the limit of now. */
const client = Bun.spawn(['sh'], { stdin: 'pipe', stdout: 'pipe' })

/** How many of so many connections at once are answered. */
const program = `
const open = () => new Promise((resolve) => {
  const late = setTimeout(() => resolve(undefined), 3000)
  const done = (socket) => { clearTimeout(late); resolve(socket) }
  Bun.connect({ hostname: '${outside.web}', port: 80, socket: {
    open: (socket) => { socket.write('x') }, data: (socket) => done(socket), connectError: () => done(), error() {}, close: () => done(),
  } }).catch(() => done())
})
const all = await Promise.all(Array.from({ length: Number(process.argv[2]) }, open))
console.log(all.filter((one) => one !== undefined).length)
process.exit(0)`
const path = `${directory}/client.js`
writeFileSync(path, program)
const output = client.stdout.getReader()

/** How often 20 more are tried: on a busy host pasta has not seen yet that the others are closed. */
const mostTries = 10

/** How many connections are answered: of 200 at once, then of 20 once these are closed. */
async function answered(): Promise<{ limit: string | undefined; rounds: number[] }> {
  const uplink = await startUplink(ledger, { uid, token, stateDir: directory, signal, wishes: { ports } })
  const limits = readFileSync(`/proc/${uplink.ref.pid}/limits`, 'utf8')
  const limit = /^Max open files +(\d+ +\d+)/m.exec(limits)?.[1]?.replace(/ +/, ':')
  const ask = async (wanted: number): Promise<number> => {
    const net = `--net=/proc/${uplink.container.pid}/ns/net`
    client.stdin.write(`nsenter ${net} -- ${process.execPath} ${path} ${wanted}\n`)
    client.stdin.flush()
    const { value } = await output.read()
    return Number(new TextDecoder().decode(value))
  }
  const most = await ask(200)
  let later = 0
  for (let tries = 0; tries < mostTries && later < 20; tries++) later = await ask(20)
  await ledger.releaseAll()
  return { limit, rounds: [most, later] }
}

const usual = await answered()
command('prlimit', `--pid=${process.pid}`, '--nofile=120:120')
const few = await answered()
client.kill()
// 32,768, and the port in both families; less where this process has less.
const bound = Math.min(32_770, hard)
const [most = 0, later] = few.rounds
console.log(
  JSON.stringify({
    usual: { isBound: usual.limit === `${bound}:${bound}`, rounds: usual.rounds },
    few: { limit: few.limit, some: most > 20 && most < 120, later },
  }),
)
process.exit(0)
