import { expect, test } from 'bun:test'
import { parseNetwork } from './network.ts'

test('none is no namespace, a path is one as it was written', () => {
  expect(parseNetwork('none')).toBeUndefined()
  expect(parseNetwork('ns:/proc/self/ns/net')).toBe('/proc/self/ns/net')
})

test.each(['', 'host', 'bridge', 'ns:', 'ns:run/x', '/run/x'])('refuses %p', (text) => {
  expect(() => parseNetwork(text)).toThrow(/^\[OPTION_INVALID\].*none, ns:\/path/)
})

test('a missing namespace is named', () => {
  expect(() => parseNetwork('ns:/no/such/path')).toThrow(
    /^\[NETNS_INVALID\].*\/no\/such\/path.*does not exist/,
  )
})
