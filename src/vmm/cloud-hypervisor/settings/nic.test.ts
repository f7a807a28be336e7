import { expect, test } from 'bun:test'
import { netConfig } from './nic.ts'

test('a card has two queues for each tap; neither descriptors nor the MTU are in the text', () => {
  const nic = { id: 'nic2', mac: '02:00:00:00:00:01', mtu: 1400, taps: [40, 41], vhosts: [42, 43] }
  expect(netConfig(nic)).toEqual({ id: 'nic2', mac: nic.mac, num_queues: 4, queue_size: 256 })
})
