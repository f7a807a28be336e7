import { expect, test } from 'bun:test'
import { parseAllow } from './allow.ts'

test.each([
  ['Example.org', { host: 'example.org' }],
  ['example.org.:443', { host: 'example.org', port: 443 }],
  ['*.example.org', { host: '*.example.org' }],
  ['db', { host: 'db' }],
  ['192.0.2.1:5432', { host: '192.0.2.1', port: 5432 }],
  ['[2001:DB8::1]', { host: '2001:db8::1' }],
  ['[2001:db8:0::1]:443', { host: '2001:db8::1', port: 443 }],
])('%s', (text, expected) => expect(parseAllow(text)).toEqual(expected))

test.each([
  '',
  '*',
  'a..b',
  '-a',
  'a b',
  'http://a.test',
  'a.test:0',
  'a.test:99999',
  '1.2.3',
  '::1',
  '2001:db8::1:443',
  '[1.2.3.4]',
  '[::ffff:1.2.3.4]:80',
  'a.*.b',
  '10.0.0.0/8',
  `${'a.'.repeat(126)}ab`,
])('refuses %p', (text) => expect(() => parseAllow(text)).toThrow(/^\[OPTION_INVALID\].*IPv4 address/))

test.each(['127.0.0.1', '169.254.169.254:80', '100.100.100.200', '[fe80::1]', '[fd00:ec2::254]:80'])(
  'refuses %p, where no container may go',
  (text) => expect(() => parseAllow(text)).toThrow(/^\[OPTION_INVALID\].*metadata service of a cloud/),
)

test('a long text that is no address is refused at once', () => {
  // From each colon to the end, it would be half an hour.
  expect(() => parseAllow(`[${':'.repeat(1 << 20)}`)).toThrow('[OPTION_INVALID] --allow')
  expect(() => parseAllow(`[${':'.repeat(1 << 20)}]`)).toThrow('[OPTION_INVALID] --allow')
})
