import { expect, test } from 'bun:test'
import { parsePublish, splitWishes } from './publish.ts'

test('a port, an address and a protocol', () => {
  expect(parsePublish(['8080:80', '127.0.0.1:5353:53/udp', '0.0.0.0:443:443/tcp'])).toEqual([
    { host: 8080, container: 80, protocol: 'tcp' },
    { address: '127.0.0.1', host: 5353, container: 53, protocol: 'udp' },
    // Whoever names it wants IPv4 alone.
    { address: '0.0.0.0', host: 443, container: 443, protocol: 'tcp' },
  ])
  expect(parsePublish(['[::1]:8080:80', '[2001:DB8:0::1]::53/udp'])).toEqual([
    { address: '::1', host: 8080, container: 80, protocol: 'tcp' },
    { address: '2001:db8::1', container: 53, protocol: 'udp' },
  ])
})

test('as many ports of the host as of the container', () => {
  expect(parsePublish(['127.0.0.1:8000-8001:80-81/udp', '90-91'])).toEqual([
    { address: '127.0.0.1', host: 8000, container: 80, protocol: 'udp' },
    { address: '127.0.0.1', host: 8001, container: 81, protocol: 'udp' },
    { container: 90, protocol: 'tcp' },
    { container: 91, protocol: 'tcp' },
  ])
  expect(parsePublish(['1-256:1001-1256'])).toHaveLength(256)
  expect(() => parsePublish(['8000-8009:80-89', '8005:85'])).toThrow(/8000-8009:80-89 and --publish 8005:85/)
})

test('without a port of the host any will do', () => {
  const wishes = parsePublish([
    '80',
    '127.0.0.1::53/udp',
    ':81',
    '8080:80',
    '80',
    '0:80',
    '127.0.0.1:0:53/udp',
  ])
  const free = [
    { container: 80, protocol: 'tcp' },
    { address: '127.0.0.1', container: 53, protocol: 'udp' },
    { container: 81, protocol: 'tcp' },
    { container: 80, protocol: 'tcp' },
    { container: 80, protocol: 'tcp' },
    { address: '127.0.0.1', container: 53, protocol: 'udp' },
  ] as const
  expect(splitWishes(wishes)).toEqual({
    fixed: [{ host: 8080, container: 80, protocol: 'tcp' }],
    free: [...free],
  })
})

test.each([
  '',
  '0',
  '80:',
  '127.0.0.1:80',
  '8080:0',
  '0-1:80-81',
  '8080:70000',
  'x:80:80',
  '::1:80:80',
  '[127.0.0.1]:80:80',
  '[::ffff:127.0.0.1]:80:80',
  '[fe80::1%eth0]:80:80',
  '[]:80:80',
  '8080:80/sctp',
  '8080:80:90',
  ' 80:80',
  '80-81:80',
  '80:80-81',
  '81-80:81-80',
  '80-:80',
  '1-257:1-257',
  '65535-65536',
])('refuses %p', (text) => {
  expect(() => parsePublish([text])).toThrow(/^\[OPTION_INVALID\].*CONTAINER/)
})

test('a port of the host leads to one place', () => {
  expect(() => parsePublish(['8080:80', '127.0.0.1:8080:81'])).toThrow(/^\[OPTION_CONFLICT\]/)
  expect(parsePublish(['8080:80', '8080:80/udp', '127.0.0.1:81:1', '127.0.0.2:81:1'])).toHaveLength(4)
  expect(() => parsePublish(['0.0.0.0:81:1', '127.0.0.1:81:1'])).toThrow(/^\[OPTION_CONFLICT\]/)
  expect(() => parsePublish(['81:1', '[::1]:81:1'])).toThrow(/^\[OPTION_CONFLICT\]/)
  expect(parsePublish(['0.0.0.0:81:1', '[::]:81:1'])).toHaveLength(2)
  for (const other of ['127.0.0.2:81:2', '[::]:81:2'])
    expect(() => parsePublish(['127.0.0.1:81:1', other])).toThrow(/^\[OPTION_CONFLICT\]/)
})

test('a container has a bound of published ports', () => {
  const ranges = (count: number) =>
    Array.from(
      { length: count },
      (_, index) => `127.0.0.${index % 250}:1-256:1-256/${index < 250 ? 'tcp' : 'udp'}`,
    )
  expect(parsePublish(ranges(16))).toHaveLength(4096)
  expect(() => parsePublish(ranges(500))).toThrow(/OPTION_INVALID.*--publish.*at most 4096 ports/)
})
