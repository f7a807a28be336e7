import { expect, test } from 'bun:test'
import { NetlinkFormatError } from './error.ts'
import { family, parseIp } from './ip.ts'
import { parseTcpConnection } from './tcp-connection.ts'

function answer(of: number, local: string, remote: string): Uint8Array {
  const body = new Uint8Array(72)
  body.set([of, 1])
  body.set(parseIp(local)!, 8)
  body.set(parseIp(remote)!, 24)
  return body
}

test('both ends of a connection, by their addresses', () => {
  expect(parseTcpConnection(answer(family.ipv4, '10.88.0.2', '192.0.2.1'))).toMatchObject({
    family: family.ipv4,
    local: '10.88.0.2',
    remote: '192.0.2.1',
  })
  expect(parseTcpConnection(answer(family.ipv6, 'fd00::2', '2001:db8::1'))).toMatchObject({
    family: family.ipv6,
    local: 'fd00::2',
    remote: '2001:db8::1',
  })
})

test('a socket of IPv6 that speaks IPv4 has addresses of that', () => {
  const parsed = parseTcpConnection(answer(family.ipv6, '::ffff:127.0.0.1', '::ffff:127.0.0.1'))
  expect(parsed).toMatchObject({ family: family.ipv6, local: '127.0.0.1', remote: '127.0.0.1' })
})

test('a message that is too short is none', () => {
  expect(() => parseTcpConnection(new Uint8Array(71))).toThrow(NetlinkFormatError)
})
