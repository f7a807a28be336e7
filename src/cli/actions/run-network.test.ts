import { expect, test } from 'bun:test'
import { networkOf } from './run-network.ts'

test('without an option there is no network', () => {
  expect(networkOf({})).toEqual({})
  expect(networkOf({ network: 'none' })).toEqual({})
})

test('bridge is a network of its own, which --publish asks for too', () => {
  expect(networkOf({ network: 'bridge' })).toEqual({ wishes: { ports: [] }, nameServer: '10.88.0.1' })
  expect(networkOf({ publish: ['8080:80'] })).toEqual({
    wishes: { ports: [{ host: 8080, container: 80, protocol: 'tcp' }] },
    nameServer: '10.88.0.1',
  })
})

test.each(['none', 'ns:/proc/self/ns/net'])('no port is published with --network %s', (network) => {
  expect(() => networkOf({ network, publish: ['8080:80'] })).toThrow(/^\[OPTION_CONFLICT\].*bridge/)
})

test('--allow limits what is reached, --deny-all alone leaves nothing', () => {
  expect(networkOf({ allow: ['a.test:443'] }).wishes).toEqual({
    ports: [],
    allowed: [{ host: 'a.test', port: 443 }],
  })
  expect(networkOf({ denyAll: true }).wishes).toEqual({ ports: [], allowed: [] })
  expect(() => networkOf({ network: 'none', denyAll: true })).toThrow(/^\[OPTION_CONFLICT\].*--deny-all/)
})
