import { expect, test } from 'bun:test'
import { leadsSomewhere } from './ipv6.ts'

const zero = '0'.repeat(32)
const route = (destination: string, device: string) =>
  `${destination} 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     ${device}\n`
const own = [
  route('20010db8000000000000000000000002', 'lo'),
  route('fe80'.padEnd(32, '0'), 'eth0'),
  route('ff00'.padEnd(32, '0'), 'eth0'),
  route(zero, 'lo'),
].join('')

test('a host’s IPv6 leads somewhere by a route of an interface that is not about its own link alone', () => {
  expect(leadsSomewhere('')).toBe(false)
  expect(leadsSomewhere(own)).toBe(false)
  expect(leadsSomewhere(own + route(zero, 'eth0'))).toBe(true)
  expect(leadsSomewhere(own + route('fd00'.padEnd(32, '0'), 'eth0'))).toBe(true)
})
