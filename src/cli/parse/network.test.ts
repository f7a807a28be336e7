import { expect, test } from 'bun:test'
import { parseNetwork } from './network.ts'

test('none and bridge are words, a path is a namespace as it was written', () => {
  expect(parseNetwork('none')).toEqual({ kind: 'none' })
  expect(parseNetwork('bridge')).toEqual({ kind: 'own' })
  expect(parseNetwork('ns:/proc/self/ns/net')).toEqual({ kind: 'namespace', path: '/proc/self/ns/net' })
})

test('another word is the name of a network, but for that of the host', () => {
  expect(parseNetwork('shop')).toEqual({ kind: 'named', name: 'shop' })
  expect(() => parseNetwork('host')).toThrow('ns:/path; a machine cannot share the network of the host')
})

test.each(['', 'ns:', 'ns:run/x', '/run/x'])('refuses %p', (text) => {
  expect(() => parseNetwork(text)).toThrow(
    /^\[OPTION_INVALID\].*none, bridge, the name of a network, ns:\/path/,
  )
})

test('a missing namespace is named', () => {
  expect(() => parseNetwork('ns:/no/such/path')).toThrow(
    /^\[NETNS_INVALID\].*\/no\/such\/path.*does not exist/,
  )
})
