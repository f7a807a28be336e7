import { expect, test } from 'bun:test'
import type { NetworkWishes } from '../../bundle/network.ts'
import { linkOf } from './addresses.ts'
import { gatewayRules } from './gateway-rules.ts'
import { firstNameServer, hostRules } from './host-rules.ts'
import { pastaArgs } from './pasta.ts'

test('ports are told to pasta by protocol, and no other port is open', () => {
  const args = pastaArgs(
    [
      { host: 8080, container: 80, protocol: 'tcp' },
      { address: '127.0.0.1', host: 53, container: 5353, protocol: 'udp' },
      { address: '::1', host: 54, container: 5454, protocol: 'udp' },
    ],
    { nameServer: '127.0.0.53', ipv4: true, ipv6: true },
  ).join(' ')
  const everywhere = '--tcp-ports 0.0.0.0/8080:80 --tcp-ports ::/8080:80'
  expect(args).toContain(`${everywhere} --udp-ports 127.0.0.1/53:5353 --udp-ports ::1/54:5454`)
  const without = pastaArgs([], { nameServer: undefined, ipv4: true, ipv6: false }).join(' ')
  expect(without).toContain('--tcp-ports none --udp-ports none --tcp-ns none --udp-ns none')
  expect([args, without].map((text) => text.includes('--ipv4-only'))).toEqual([false, true])
  expect([args, without].map((text) => text.includes('--dns-host 127.0.0.53 '))).toEqual([true, false])
})

test('a port without an address is one of the only family that leads outside', () => {
  const port = { host: 8080, container: 80, protocol: 'tcp' } as const
  for (const families of [
    { ipv4: true, ipv6: false },
    { ipv4: false, ipv6: true },
    { ipv4: false, ipv6: false },
  ])
    expect(pastaArgs([port], { nameServer: undefined, ...families }).join(' ')).toContain(
      '--tcp-ports 8080:80 ',
    )
})

test('the first name server of IPv4 is the one that pasta asks, as the C library reads the file', () => {
  expect(firstNameServer('search a\nnameserver ::1\nnameserver 127.0.0.53\nnameserver 1.1.1.1\n')).toBe(
    '127.0.0.53',
  )
  expect(firstNameServer('nameserver 0.0.0.0\n')).toBe('127.0.0.1')
  expect(firstNameServer('# nameserver 1.1.1.1\n')).toBeUndefined()
  expect(firstNameServer('nameserver\t1.1.1.1 # ours\r\n')).toBe('1.1.1.1')
  for (const none of ['nameserver', 'nameserver ', 'nameserver\t\r'])
    expect(firstNameServer(`${none}\nnameserver 1.1.1.1\n`)).toBe('1.1.1.1')
})

const own = { uid: 7, table: 'kata-ts-7' }

test('the host’s rules are about one user, and know an exception only for a name server', () => {
  expect(hostRules(own, { nameServer: '127.0.0.53', ports: [] })).toContain(
    'ip daddr 127.0.0.53 meta l4proto { tcp, udp } th dport 53 accept',
  )
  const without = hostRules(own, { nameServer: undefined, ports: [] })
  expect(without).not.toMatch(/accept$/m)
  expect(without).toContain('meta skuid 7 goto wall')
  for (const [address, family] of metadata)
    expect(without).toMatch(new RegExp(`${family} daddr {[^}]* ${address}[,/ ].* th dport != 53 reject`))
})

test('who comes in by a published port gets answers, and nobody else', () => {
  const ports = [8080, 8081].map((host) => ({ host, container: 80, protocol: 'tcp' }) as const)
  const rules = hostRules(own, { nameServer: undefined, ports })
  expect(rules.match(/.*accept$/gm)?.map((line) => line.trim())).toEqual([
    'ct direction reply tcp sport { 8080, 8081 } accept',
  ])
})

/** One service of a cloud in each place that is not link-local, and one that is. */
const metadata = [
  ...['169.254.0.0', '100.100.100.200', '168.63.129.16', '192.0.0.192'].map((one) => [one, 'ip'] as const),
  ...['fe80::', 'fd00:ec2::', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe'].map((one) => [one, 'ip6'] as const),
]

test.each(metadata)(
  'what is at %s is refused before anything is let out, also to who may reach it by name',
  (address, family) => {
    for (const allowed of [undefined, [{ host: 'a.test' }]]) {
      const rules = rulesFor({ ports: [], ...(allowed && { allowed }) })
      const refused = rules.search(new RegExp(`${family} daddr {[^}]* ${address}[,/ ][^}]*} reject`))
      expect(refused).toBeGreaterThan(0)
      expect(rules.indexOf('oifname "up0"')).toBeGreaterThan(refused)
    }
  },
)

const rulesFor = (wishes: NetworkWishes, withIpv6 = true) => gatewayRules(wishes, linkOf(wishes, withIpv6))

test('a container that may reach some names only has no way but theirs', () => {
  const hosts = [{ host: 'a.test' }, { host: '192.0.2.1', port: 22 }, { host: '2001:db8::1', port: 23 }]
  const limited = rulesFor({ ports: [], allowed: hosts })
  expect(limited).toContain('ip daddr 192.0.2.1 tcp dport 22 accept')
  expect(limited).toContain('ip6 daddr 2001:db8::1 tcp dport 23 accept')
  expect(limited).not.toContain('} oifname "up0" accept')
  expect(limited).not.toContain('dnat ip to 169.254.2.3')
  // Addresses need no name server.
  expect(rulesFor({ ports: [], allowed: [] })).not.toMatch(/dport 53 (?!reject$)/m)
})

test('what does not come from the container’s own address is let out nowhere, not even to a name server', () => {
  for (const allowed of [undefined, [{ host: 'a.test' }]]) {
    const rules = rulesFor({ ports: [], ...(allowed && { allowed }) })
    const forward = rules.slice(rules.indexOf('chain forward'), rules.indexOf('chain input'))
    const own = ['ip saddr != 10.88.0.2 drop', 'ip6 saddr != fd5e:9c41:7ab0::a58:2 drop']
    const accepting = forward.match(/^.*accept$/gm)!.map((line) => forward.indexOf(line))
    // Answers and published ports come from elsewhere.
    const outgoing = accepting.slice(2)
    expect(outgoing.length).toBeGreaterThan(0)
    for (const rule of own) {
      expect(forward).toContain(rule)
      expect(forward.indexOf(rule)).toBeLessThan(Math.min(...outgoing))
    }
  }
})

test('a port leads to the container with the family of its client', () => {
  const ports = [8080, 8081].map((host) => ({ host, container: 80, protocol: 'tcp' }) as const)
  const more = [
    ...ports,
    { host: 53, container: 5353, protocol: 'udp' },
    { ...ports[0]!, container: 81 },
  ] as const
  expect(rulesFor({ ports })).toContain('tcp dport { 80 } dnat ip to 10.88.0.2')
  expect(rulesFor({ ports })).toContain('tcp dport { 80 } dnat ip6 to fd5e:9c41:7ab0::a58:2')
  expect(rulesFor({ ports: more })).toContain('tcp dport { 80, 81 } dnat ip to 10.88.0.2')
  expect(rulesFor({ ports: more })).toContain('udp dport { 5353 } dnat ip to 10.88.0.2')
})

test('on a host without IPv6 nothing of it is let through', () => {
  const rules = rulesFor({ ports: [] }, false)
  expect(rules).toContain('meta nfproto ipv6 drop')
  expect(rules).toContain('meta nfproto ipv4 oifname "up0" accept')
  expect(rules).not.toContain('fd5e:9c41:7ab0::a58')
})

test('an allowed address without a port is open for TCP alone', () => {
  const rules = rulesFor({ ports: [], allowed: [{ host: '192.0.2.1' }, { host: '2001:db8::1' }] })
  for (const to of ['ip daddr 192.0.2.1', 'ip6 daddr 2001:db8::1'])
    expect(rules).toContain(`oifname "up0" ${to} meta l4proto tcp accept`)
})

test('what no rule names neither comes to the gateway nor passes it', () => {
  for (const allowed of [undefined, [{ host: 'a.test' }]]) {
    const rules = rulesFor({ ports: [], ...(allowed && { allowed }) })
    for (const hook of ['input', 'forward'])
      expect(rules).toContain(`type filter hook ${hook} priority filter; policy drop;`)
  }
})

test('on a shared network nobody speaks for another one, or as a router', () => {
  const place = { network: 'n', address: '10.89.0.2', gateway: '10.89.0.1', bits: 24, names: [] }
  const mac = '02:42:0a:59:00:02'
  const rules = rulesFor({ ports: [], place, mac })
  const bridge = rules.slice(rules.indexOf('table bridge'))
  const first = bridge.slice(0, bridge.indexOf('chain forward'))
  expect(first).toContain(`iifname "port0" ether saddr != ${mac} drop`)
  expect(first).toContain('iifname "port0" arp saddr ip != 10.89.0.2 drop')
  const leaving = bridge.slice(bridge.indexOf('chain leaving'), bridge.indexOf('chain coming'))
  const advert = leaving.indexOf('icmpv6 type { nd-router-advert, nd-redirect } drop')
  expect(advert).toBeGreaterThan(0)
  expect(advert).toBeLessThan(leaving.indexOf('ip6 saddr {'))
})
