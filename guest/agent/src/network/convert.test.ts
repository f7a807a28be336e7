import { expect, test } from 'bun:test'
import { IPFamily } from '../../../../src/protocol/generated/types.ts'
import { fromPrefix, fromRoute, toNeighbour, toPrefix, toRoute } from './convert.ts'

const find = (name: string) => ({ eth0: 2, eth1: 3 })[name] ?? 0
const route = {
  dest: '',
  gateway: '',
  device: 'eth0',
  source: '',
  scope: 0,
  family: IPFamily.IP_V4,
  flags: 0,
  mtu: 0,
  metric: 0,
}

test('addresses', () => {
  const address = { family: IPFamily.IP_V6, address: 'fd00::2', mask: '64' }
  expect(fromPrefix(toPrefix(address))).toEqual(address)
  expect(() => toPrefix({ address: '10.0.0.1', mask: '255.0.0.0' })).toThrow(
    '10.0.0.1/255.0.0.0 is no address',
  )
})

test.each([
  { ...route, gateway: '10.0.0.1' },
  { ...route, dest: '10.7.0.0/16', source: '10.0.0.2', scope: 253, mtu: 1300 },
  { ...route, dest: 'fd01::/48', gateway: 'fe80::1', family: IPFamily.IP_V6, metric: 1024, flags: 4 },
  { ...route, gateway: 'fe80::1', family: IPFamily.IP_V6 },
])('a route comes back as it was told: %p', (message) => {
  const parsed = toRoute(message, find)
  expect(parsed.link).toBe(2)
  expect(fromRoute(parsed, 'eth0')).toEqual(message)
})

test('a route to an address of localhost is one of the table that is asked first', () => {
  expect(toRoute({ ...route, dest: '127.0.0.11/32', gateway: '169.254.255.1' }, find).table).toBe(255)
  expect(toRoute({ ...route, dest: '10.7.0.0/16' }, find).table).toBeUndefined()
})

test('every way to write the default route', () => {
  for (const dest of ['', 'default', '0.0.0.0/0', '::/0'])
    expect(toRoute({ ...route, dest, gateway: '10.0.0.1' }, find).destination).toBeUndefined()
})

test('nonsense is refused by name', () => {
  expect(() => toRoute({ ...route, dest: 'here' }, find)).toThrow('here is no destination')
  expect(() => toRoute({ ...route, gateway: '10.0.0' }, find)).toThrow('10.0.0 is no address')
  const neighbour = { device: 'eth0', lladdr: '', state: 0, flags: 0, toIpAddress: undefined }
  expect(() => toNeighbour(neighbour, find)).toThrow('is no neighbour')
})

test('a neighbour without a state is a permanent one', () => {
  const toIpAddress = { family: IPFamily.IP_V4, address: '10.0.0.9', mask: '' }
  const neighbour = { device: 'eth1', lladdr: '02:00:00:00:00:09', state: 0, flags: 0, toIpAddress }
  expect(toNeighbour(neighbour, find)).toMatchObject({ link: 3, state: 0x80 })
})
