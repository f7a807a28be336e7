/** A small internet for tests: namespaces for a host and for what is outside of it, with servers that say who they are. */
import { readlinkSync, writeFileSync } from 'node:fs'
import { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { hasIpv6 } from '../../linux/interfaces/ipv6.ts'
import { silentLogger } from '../../log.ts'
import { until } from '../../time.ts'
import { memberResource } from '../shared/shared.ts'
import { command, ip } from '../testing.ts'
import { hostRulesResource } from './host-rules.ts'

/** The token of the lease that the user of a network would have. */
export const token = '0123abcd-of-a-test'

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
/** The same with IPv6; `anycast` is the host's as a router (RFC 4291, 2.6.1). */
export const outside6 = {
  router: '2001:db8::1',
  web: '2001:db8:1::1',
  other: '2001:db8:1::2',
  third: '2001:db8:1::3',
} as const
export const host6 = {
  address: '2001:db8::2',
  second: '2001:db8:77::77',
  anycast: '2001:db8::',
} as const

/** Where clouds have their services: the host reaches them. Beside two of them is a network of a customer. */
export const clouds = {
  usual: '169.254.169.254',
  alibaba: '100.100.100.200',
  azure: '168.63.129.16',
  oracle: '192.0.0.192',
  'beside Alibaba’s': '100.100.100.201',
  aws6: 'fd00:ec2::254',
  google6: 'fd20:ce::254',
  oracle6: 'fd00:c1::a9fe:a9fe',
  'beside Google’s': 'fd20:ce:1::254',
} as const

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

/** An address as a URL has it. */
export const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** Makes the outside around this process, which is in a new network and mount namespace. Returns the pid that holds the outside. */
export async function makeOutside(): Promise<number> {
  ip('link set lo up')
  const internet = Bun.spawn(['unshare', '--net', 'sleep', 'infinity'])
  // It is in ours until it has run.
  const netnsOf = (id: number | 'self') => readlinkSync(`/proc/${id}/ns/net`)
  const isApart = () => netnsOf(internet.pid) !== netnsOf('self')
  if (!(await until(isApart, { timeoutMs: 10_000 }))) throw new Error('the outside has no network of its own')
  const there = (...argv: string[]) => command('nsenter', `--net=/proc/${internet.pid}/ns/net`, '--', ...argv)
  ip(`link add name ext0 type veth peer name host0 netns ${internet.pid}`)
  ip(`addr add ${host.address}/24 dev ext0`)
  ip(`addr add ${host.second}/32 dev lo`)
  ip('link set ext0 up')
  there('ip', 'link', 'set', 'lo', 'up')
  there('ip', 'addr', 'add', `${outside.router}/24`, 'dev', 'host0')
  for (const address of [outside.web, outside.other, outside.third, outside.short, outside.dns])
    there('ip', 'addr', 'add', `${address}/32`, 'dev', 'lo')
  for (const address of Object.values(clouds).filter(isOfHost))
    there('ip', 'addr', 'add', address, 'dev', 'lo')
  there('ip', 'link', 'set', 'host0', 'up')
  ip(`route add default via ${outside.router}`)
  ip(`route add ${clouds.usual}/32 via ${outside.router}`)
  if (hasIpv6()) makeOutside6(there)
  return internet.pid
}

const isOfHost = (address: string): boolean => hasIpv6() || !address.includes(':')

function makeOutside6(there: (...argv: string[]) => void): void {
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1')
  ip(`addr add ${host6.address}/64 dev ext0 nodad`)
  ip(`addr add ${host6.second}/128 dev lo`)
  there('ip', 'addr', 'add', `${outside6.router}/64`, 'dev', 'host0', 'nodad')
  for (const address of [outside6.web, outside6.other, outside6.third])
    there('ip', 'addr', 'add', `${address}/128`, 'dev', 'lo')
  ip(`-6 route add default via ${outside6.router}`)
}

/** Both families, or the one that the host has. */
const anyAddress = () => (hasIpv6() ? '::' : '0.0.0.0')

/** A web server in the namespace of `pid` that answers with its name and who asked. */
export async function serve(pid: number, name: string, port = 80): Promise<void> {
  const program = `Bun.serve({ port: ${port}, hostname: '${anyAddress()}', fetch: (q, s) => new Response('${name} ' + s.requestIP(q).address.replace('::ffff:', '')) }); console.log('up')`
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
const words = (text) => {
  const [head, tail] = text.split('::').map((half) => half.split(':').filter(Boolean).map((word) => parseInt(word, 16)))
  return [...head, ...Array(8 - head.length - (tail ?? []).length).fill(0), ...(tail ?? [])].flatMap((word) => [word >> 8, word & 255])
}
const s = require('dgram').createSocket('udp4')
s.on('message', (m, from) => {
  let at = 12, labels = []
  while (m[at]) { labels.push(m.toString('latin1', at + 1, at + 1 + m[at])); at += m[at] + 1 }
  const question = m.subarray(12, at + 5), type = m.readUInt16BE(at + 1), name = labels.join('.').toLowerCase()
  const answers = (names[name] ?? []).filter((one) => one.includes(':') === (type === 28))
  const n = asked[name + type] = (asked[name + type] ?? -1) + 1
  const answer = (type === 1 || type === 28) && answers.length ? answers[Math.min(n, answers.length - 1)] : undefined
  const data = answer && Buffer.from(answer.includes(':') ? words(answer) : answer.split('.').map(Number))
  const rr = answer ? Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, name.startsWith('short.') ? 5 : 200, 0, data.length]), data]) : Buffer.alloc(0)
  s.send(Buffer.concat([m.subarray(0, 2), Buffer.from([0x81, names[name] ? 0x80 : 0x83, 0, 1, 0, answer ? 1 : 0, 0, 0, 0, 0]), question, rr]), from.port, from.address)
})
s.bind(53, '${address}', () => console.log('up'))
`,
  )
}

const asking = (server: string, what: string) => `
const { Resolver } = require('dns').promises, r = new Resolver({ timeout: 2000, tries: 2 })
r.setServers(['${server}'])
${what}
`

/** The first IPv4 address that a name server gives for a name. */
export const lookUp = (pid: number, name: string, server: string): Promise<string | undefined> =>
  ask(pid, asking(server, `console.log((await r.resolve4('${name}'))[0])`))

/** The first IPv6 address. */
export const lookUp6 = (pid: number, name: string, server: string): Promise<string | undefined> =>
  ask(pid, asking(server, `console.log((await r.resolve6('${name}'))[0])`))

/** The names of an address. */
export const reverse = (pid: number, address: string, server: string): Promise<string | undefined> =>
  ask(pid, asking(server, `console.log((await r.reverse('${address}')).join())`))

/** What a server says whose name is looked up first. */
export const visit = (pid: number, name: string, server: string): Promise<string | undefined> =>
  ask(
    pid,
    asking(
      server,
      `const [address] = await r.resolve4('${name}')
console.log(await (await fetch('http://' + address + '/', { signal: AbortSignal.timeout(4000) })).text())`,
    ),
  )

/** A server that sends back what comes by UDP. */
export const serveUdp = (pid: number, port: number, name: string): Promise<void> =>
  started(
    pid,
    `const s = require('dgram').createSocket('${hasIpv6() ? 'udp6' : 'udp4'}'); s.on('message', (m, f) => s.send('${name} ' + m, f.port, f.address)); s.bind(${port}, '${anyAddress()}', () => console.log('up'))`,
  )

/** What such a server sends back. */
export const sayUdp = (pid: number, address: string, port: number): Promise<string | undefined> =>
  ask(
    pid,
    `const s = require('dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}'); s.on('message', (m) => { console.log('' + m); process.exit(0) }); s.on('error', () => process.exit(1)); s.send('hi', ${port}, '${address}'); setTimeout(() => process.exit(1), 3000)`,
  )

/** How connecting to an address ends for a user of the host: `connected`, or the error as bash has it, which tells the kernel's own. */
export const connectAs = (uid: number, address: string, port: number): Promise<string | undefined> =>
  inside(
    process.pid,
    ...['setpriv', '--reuid', `${uid}`, '--clear-groups', '--', 'timeout', '5', 'bash', '-c'],
    `export LC_ALL=C; { exec 3<>/dev/tcp/${address}/${port} && echo connected; } 2>&1 | sed "1q" | sed "s/.*: //"`,
  )

export function testLedger(directory: string): Ledger {
  return new Ledger(`${directory}/ledger`, [processResource, hostRulesResource, memberResource], silentLogger)
}

/** Written as the C library reads it, and pasta does not: with a tab and a comment. */
export function nameServerOfHost(address: string): void {
  writeFileSync('/etc/resolv.conf', `nameserver\t${address} # a comment\n`)
}

/** All at once, as most of them wait for an answer that does not come. */
export async function together(
  asked: Readonly<Record<string, Promise<unknown>>>,
): Promise<Record<string, unknown>> {
  const entries = Object.entries(asked).map(async ([what, answer]) => [what, await answer] as const)
  return Object.fromEntries(await Promise.all(entries))
}
