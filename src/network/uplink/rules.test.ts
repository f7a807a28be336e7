import { expect, test } from 'bun:test'
import { gatewayRules } from './gateway-rules.ts'
import { firstNameServer, hostRules } from './host-rules.ts'
import { pastaArgs } from './pasta.ts'

test('ports are told to pasta by protocol, and no other port is open', () => {
  const args = pastaArgs([
    { host: 8080, container: 80, protocol: 'tcp' },
    { address: '127.0.0.1', host: 53, container: 5353, protocol: 'udp' },
  ]).join(' ')
  expect(args).toContain('--tcp-ports 8080:80 --udp-ports 127.0.0.1/53:5353')
  expect(pastaArgs([]).join(' ')).toContain('--tcp-ports none --udp-ports none --tcp-ns none --udp-ns none')
})

test('the first name server of IPv4 is the one that pasta asks', () => {
  expect(firstNameServer('search a\nnameserver ::1\nnameserver 127.0.0.53\nnameserver 1.1.1.1\n')).toBe(
    '127.0.0.53',
  )
  expect(firstNameServer('# nameserver 1.1.1.1\n')).toBeUndefined()
})

test('the host’s rules are about one user, and know an exception only for a name server', () => {
  expect(hostRules(7, '127.0.0.53')).toContain(
    'ip daddr 127.0.0.53 meta l4proto { tcp, udp } th dport 53 accept',
  )
  const without = hostRules(7, undefined)
  expect(without.match(/accept$/gm)).toHaveLength(1)
  expect(without).toContain('meta skuid 7 goto wall')
})

test('a container that may reach some names only has no way but theirs', () => {
  const limited = gatewayRules({ ports: [], allowed: [{ host: 'a.test' }, { host: '192.0.2.1', port: 22 }] })
  expect(limited).toContain('ip daddr 192.0.2.1 tcp dport 22 accept')
  expect(limited).not.toContain('ip version 4 oifname "up0" accept')
  expect(limited).not.toContain('dnat ip to 169.254.2.3')
  // Addresses need no name server.
  expect(gatewayRules({ ports: [], allowed: [] })).not.toContain('dport 53')
})
