import { expect, test } from 'bun:test'
import { parseAddHost, parseDns } from './hosts.ts'

test('a name and an address become a line of /etc/hosts', () => {
  expect(parseAddHost('db:10.0.0.1')).toBe('10.0.0.1\tdb')
  expect(parseAddHost('db:[fd00::1]')).toBe('fd00::1\tdb')
  expect(parseAddHost('db=fd00::1')).toBe('fd00::1\tdb')
  expect(parseDns('192.0.2.1')).toBe('192.0.2.1')
})

test.each(['db', 'db:', ':10.0.0.1', 'db:10.0.0', 'a b:10.0.0.1', 'db:10.0.0.1\nx'])('refuses %p', (text) => {
  expect(() => parseAddHost(text)).toThrow(/^\[OPTION_INVALID\]/)
})

test('what stands for the host is refused with the reason', () => {
  expect(() => parseAddHost('host.docker.internal:host-gateway')).toThrow(
    /no way to the services of the host/,
  )
})

test('a name server is an address', () => {
  expect(() => parseDns('dns.example')).toThrow(/^\[OPTION_INVALID\].*--dns/)
})
