import { expect, test } from 'bun:test'
import { embeddedPorts } from './embedded-dns.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue\n'
const udp = `${head}   1: 00000000:0035 00000000:0000 07 0\n   2: 0B00007F:9C40 00000000:0000 07 0\n`
const tcp = `${head}   0: 0B00007F:0050 0100007F:1234 01 0\n   1: 0B00007F:9C41 00000000:0000 0A 0\n`

test('Docker’s name server is found by its address, where it listens', () => {
  expect(embeddedPorts(udp, tcp)).toEqual({ udp: 40_000, tcp: 40_001 })
})

test.each([
  ['', ''],
  [udp, head],
  [head, tcp],
  [udp, tcp.replace('0A', '01')],
  [udp.replaceAll('0B00007F', '0100007F'), tcp],
])('a namespace without one has none', (udpTable, tcpTable) => {
  expect(embeddedPorts(udpTable, tcpTable)).toBeUndefined()
})
