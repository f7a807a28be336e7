import { expect, test } from 'bun:test'
import { leadsSomewhere } from './ipv4.ts'

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
const route = (device: string, flags = '0001') =>
  `${device}\t000200C0\t00000000\t${flags}\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`

test('a host’s IPv4 leads somewhere by a route of an interface', () => {
  expect(leadsSomewhere('')).toBe(false)
  expect(leadsSomewhere(head)).toBe(false)
  expect(leadsSomewhere(head + route('lo') + route('*', '0201'))).toBe(false)
  expect(leadsSomewhere(head + route('lo') + route('eth0'))).toBe(true)
})
