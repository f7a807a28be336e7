/** A small internet for tests: namespaces for a host and for what is outside of it, with servers that say who they are. */
import { writeFileSync } from 'node:fs'
import { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { silentLogger } from '../../log.ts'
import { memberResource } from '../shared/shared.ts'
import { command, ip } from '../testing.ts'
import { hostRulesResource } from './host-rules.ts'

/** Addresses outside, and those of the host. */
export const outside = {
  router: '203.0.113.1',
  web: '198.51.100.1',
  other: '198.51.100.2',
  third: '198.51.100.3',
  short: '198.51.100.4',
  dns: '198.51.100.53',
} as const
export const host = { address: '203.0.113.2', second: '192.0.2.77' } as const

/** Runs in the place of a process: what a program in the namespace of `pid` prints; undefined when it fails. */
export async function inside(pid: number, ...argv: string[]): Promise<string | undefined> {
  const child = Bun.spawn(['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...argv], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 30_000,
  })
  const text = await child.stdout.text()
  return (await child.exited) === 0 ? text.trim() : undefined
}

/** A program for Bun in the place of a process: what it prints. */
const ask = (pid: number, program: string): Promise<string | undefined> =>
  inside(pid, process.execPath, '-e', program)

export const fetchFrom = (pid: number, where: string): Promise<string | undefined> =>
  ask(
    pid,
    `console.log(await (await fetch('http://${where}/', { signal: AbortSignal.timeout(4000) })).text())`,
  )

/** Makes the outside around this process, which is in a new network and mount namespace. Returns the pid that holds the outside. */
export async function makeOutside(): Promise<number> {
  ip('link set lo up')
  const internet = Bun.spawn(['unshare', '--net', 'sleep', 'infinity'])
  await Bun.sleep(100)
  const there = (...argv: string[]) => command('nsenter', `--net=/proc/${internet.pid}/ns/net`, '--', ...argv)
  ip(`link add name ext0 type veth peer name host0 netns ${internet.pid}`)
  ip(`addr add ${host.address}/24 dev ext0`)
  ip(`addr add ${host.second}/32 dev lo`)
  ip('link set ext0 up')
  there('ip', 'link', 'set', 'lo', 'up')
  there('ip', 'addr', 'add', `${outside.router}/24`, 'dev', 'host0')
  for (const address of [
    outside.web,
    outside.other,
    outside.third,
    outside.short,
    outside.dns,
    '169.254.169.254',
  ])
    there('ip', 'addr', 'add', `${address}/32`, 'dev', 'lo')
  there('ip', 'link', 'set', 'host0', 'up')
  ip(`route add default via ${outside.router}`)
  ip(`route add 169.254.169.254/32 via ${outside.router}`)
  return internet.pid
}

/** A web server in the namespace of `pid` that answers with its name and who asked. */
export async function serve(pid: number, name: string, port = 80): Promise<void> {
  const program = `Bun.serve({ port: ${port}, hostname: '0.0.0.0', fetch: (q, s) => new Response('${name} ' + s.requestIP(q).address) }); console.log('up')`
  await started(pid, program)
}

/** A program for Bun in the namespace of `pid`, once it has printed something. */
export async function started(pid: number, program: string): Promise<void> {
  const child = Bun.spawn(['nsenter', `--net=/proc/${pid}/ns/net`, '--', process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await child.stdout.getReader().read()
}

/** A name server with answers of these names, short ones for 5 seconds; a list is given one after the other. */
export async function serveNames(
  pid: number,
  names: Readonly<Record<string, readonly string[]>>,
  address: string,
) {
  await started(
    pid,
    `
const names = ${JSON.stringify(names)}, asked = {}
const s = require('dgram').createSocket('udp4')
s.on('message', (m, from) => {
  let at = 12, labels = []
  while (m[at]) { labels.push(m.toString('latin1', at + 1, at + 1 + m[at])); at += m[at] + 1 }
  const question = m.subarray(12, at + 5), type = m.readUInt16BE(at + 1), name = labels.join('.').toLowerCase()
  const answers = names[name] ?? []
  const n = asked[name] = (asked[name] ?? -1) + 1
  const answer = type === 1 && answers.length ? answers[Math.min(n, answers.length - 1)] : undefined
  const rr = answer ? Buffer.concat([Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, name.startsWith('short.') ? 5 : 200, 0, 4]), Buffer.from(answer.split('.').map(Number))]) : Buffer.alloc(0)
  s.send(Buffer.concat([m.subarray(0, 2), Buffer.from([0x81, names[name] ? 0x80 : 0x83, 0, 1, 0, answer ? 1 : 0, 0, 0, 0, 0]), question, rr]), from.port, from.address)
})
s.bind(53, '${address}', () => console.log('up'))
`,
  )
}

/** The first IPv4 address that a name server gives for a name. */
export const lookUp = (pid: number, name: string, server: string): Promise<string | undefined> =>
  ask(
    pid,
    `
const { Resolver } = require('dns').promises, r = new Resolver({ timeout: 2000, tries: 2 })
r.setServers(['${server}'])
console.log((await r.resolve4('${name}'))[0])
`,
  )

/** The names of an address. */
export const reverse = (pid: number, address: string, server: string): Promise<string | undefined> =>
  ask(
    pid,
    `
const { Resolver } = require('dns').promises, r = new Resolver({ timeout: 2000, tries: 2 })
r.setServers(['${server}'])
console.log((await r.reverse('${address}')).join())
`,
  )

/** What a server says whose name is looked up first. */
export const visit = (pid: number, name: string, server: string): Promise<string | undefined> =>
  ask(
    pid,
    `
const { Resolver } = require('dns').promises, r = new Resolver({ timeout: 2000, tries: 2 })
r.setServers(['${server}'])
const [address] = await r.resolve4('${name}')
console.log(await (await fetch('http://' + address + '/', { signal: AbortSignal.timeout(4000) })).text())
`,
  )

export function testLedger(directory: string): Ledger {
  return new Ledger(`${directory}/ledger`, [processResource, hostRulesResource, memberResource], silentLogger)
}

export function nameServerOfHost(address: string): void {
  writeFileSync('/etc/resolv.conf', `nameserver ${address}\n`)
}

/** All at once, as most of them wait for an answer that does not come. */
export async function together(
  asked: Readonly<Record<string, Promise<unknown>>>,
): Promise<Record<string, unknown>> {
  const entries = Object.entries(asked).map(async ([what, answer]) => [what, await answer] as const)
  return Object.fromEntries(await Promise.all(entries))
}
