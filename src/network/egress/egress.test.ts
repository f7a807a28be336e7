import { expect, test } from 'bun:test'
import { isForwarded, isIn, isPublic, mostOpen, OpenAddresses, openSeconds, portsOf } from './egress.ts'

test.each([
  ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.53', '169.254.169.254', '172.16.0.1', '172.31.255.255'],
  ...['192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '192.0.0.192', '168.63.129.16'],
  // The localhost, an IPv4 address in three disguises, link-local, private, multicast, Teredo and 6to4.
  ...[
    '::1',
    '::',
    '::ffff:10.0.0.1',
    '::10.0.0.1',
    '64:ff9b::10.0.0.1',
    'fe80::1',
    'fec0::1',
    'fd00:ec2::254',
  ],
  ...['fc00::1', 'fdff::1', 'ff02::1', '2001::1', '2002:a00:1::1', '4000::1', '100::1', 'no address'],
])('%s is never opened for a name', (address) => expect(isPublic(address)).toBe(false))

test.each([
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '172.32.0.1',
  '192.167.255.255',
  '223.255.255.255',
  '2001:4860::8888',
  '2600::1',
])('%s may be opened', (address) => expect(isPublic(address)).toBe(true))

test.each([
  ...['169.254.169.254', '169.254.170.2', '169.254.170.23', '169.254.0.23', '169.254.42.42'],
  ...['100.100.100.200', '168.63.129.16', '192.0.0.192'],
  ...['fe80::a9fe:a9fe', 'fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe'],
  ...[
    'fd00:100::100:200',
    'fd00:42::42',
    'fd00:a9fe:a9fe::1',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
  ],
])('the service of a cloud at %s is out of reach', (address) => expect(isForwarded(address)).toBe(false))

test.each([
  ...['0.0.0.1', '127.0.0.53', '169.254.1.1', '224.0.0.251', '240.0.0.1', '255.255.255.255'],
  ...['::1', '::10.0.0.1', 'fe80::1', 'febf::1', 'fec0::1', 'feff::1', 'ff02::1'],
])('%s is no place for a network', (address) => expect(isForwarded(address)).toBe(false))

test.each([
  ...['100.100.100.199', '100.64.0.1', '168.63.129.17', '192.0.0.191', '10.0.0.1', '192.168.0.1'],
  ...[
    'fd00:ec2:1::254',
    'fd00:ec2:0:1::1',
    'fd20:ce::253',
    'fd20:ce:7::254',
    'fd00:c1::1',
    'fd00:42::1',
    'fd00::1',
  ],
])('%s is a place of somebody’s own network', (address) => expect(isForwarded(address)).toBe(true))

test('a name is allowed as it is written, or by all that are below another', () => {
  const allowed = [{ host: 'a.test' }, { host: '*.b.test', port: 443 }]
  expect(portsOf(allowed, 'a.test')).toEqual([undefined])
  expect(portsOf(allowed, 'x.b.test')).toEqual([443])
  for (const name of ['x.a.test', 'b.test', 'xb.test', 'a.test.evil.test', ''])
    expect(portsOf(allowed, name)).toEqual([])
})

test('an answer counts for its time, within bounds', () => {
  expect([0, 1.5, 300, 1e9].map(openSeconds)).toEqual([2, 2, 300, 3600])
})

test('an address stays open for the longest of the answers that gave it', () => {
  let now = 0
  const opened = new OpenAddresses(() => now)
  const at = (ttl: number) => opened.open([{ address: '1.2.3.4', ttl }], [443])
  expect(at(60)).toContain('add element inet gateway open_port { 1.2.3.4 . 443 timeout 60s }')
  expect(at(30)).toBe('')
  now = 31_000
  expect(at(30)).toContain('timeout 30s')
  expect(opened.open([{ address: '1.2.3.4', ttl: 5 }], [undefined])).toContain(
    'inet gateway open { 1.2.3.4 timeout 5s }',
  )
  expect(opened.open([{ address: '2600::1', ttl: 5 }], [443])).toContain(
    'inet gateway open6_port { 2600::1 . 443 timeout 5s }',
  )
})

test('no more is open than has room, until the time of some is over', () => {
  let now = 0
  const opened = new OpenAddresses(() => now)
  const address = (number: number) => ({ address: `11.0.${number >> 8}.${number & 0xff}`, ttl: 60 })
  const most = Array.from({ length: mostOpen / 2 }, (_, number) => address(number))
  expect(opened.open(most, [80, 443])).toContain('11.0.63.255 . 443')
  // What is open already takes no more room.
  now = 1000
  expect(opened.open([address(0), address(0)], [80, 443])).toContain('11.0.0.0 . 80 timeout 60s')
  const more = () => opened.open([address(1), address(20_000)], [80])
  expect(more).toThrow('more than 32768 addresses are open')
  now = 60_000
  expect(more()).toContain('. 80 timeout 60s')
})

test('an address is in a network of its family by the bits that name it', () => {
  expect(isIn('10.89.0.200', '10.89.0.1/24')).toBe(true)
  expect(isIn('10.89.1.200', '10.89.0.1/24')).toBe(false)
  expect(isIn('fd00::a59:c8', 'fd00::a59:0/120')).toBe(true)
  expect(isIn('fd00::a59:1c8', 'fd00::a59:0/120')).toBe(false)
  expect(isIn('::ffff:10.89.0.1', '10.89.0.1/24')).toBe(false)
  expect(['10.89.0.1', '10.89.0.2'].map((one) => isIn(one, '10.89.0.1'))).toEqual([true, false])
})
