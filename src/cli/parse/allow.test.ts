import { expect, test } from 'bun:test'
import { parseAllow } from './allow.ts'

test.each([
  ['Example.org', { host: 'example.org' }],
  ['example.org.:443', { host: 'example.org', port: 443 }],
  ['*.example.org', { host: '*.example.org' }],
  ['db', { host: 'db' }],
  ['192.0.2.1:5432', { host: '192.0.2.1', port: 5432 }],
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
  'a.*.b',
  '10.0.0.0/8',
])('refuses %p', (text) => expect(() => parseAllow(text)).toThrow(/^\[OPTION_INVALID\].*IPv4 address/))
