import { expect, test } from 'bun:test'
import { concat } from './bytes.ts'
import { NetlinkClient } from './client.ts'
import { NetlinkFormatError } from './error.ts'
import { family, parseIp } from './ip.ts'
import { encodeMessage, messageType, parseMessages } from './message.ts'
import { listTcpConnections, parseTcpConnection } from './tcp-connection.ts'

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

test('a busy server has more connections than anything else has entries, and all are listed', () => {
  const [datagrams, each] = [50, 1000]
  let left = 0
  let sequence = 0
  const client = new NetlinkClient({
    send: (bytes) => {
      sequence = parseMessages(bytes)[0]!.sequence
      left = datagrams
    },
    receive: () => {
      if (left-- === 0)
        return encodeMessage({ type: messageType.done, flags: 2, sequence, body: new Uint8Array(4) })
      const body = answer(family.ipv4, '10.88.0.2', '192.0.2.1')
      return concat(new Array<Uint8Array>(each).fill(encodeMessage({ type: 20, flags: 2, sequence, body })))
    },
  })
  expect(listTcpConnections(client)).toHaveLength(2 * datagrams * each)
})
