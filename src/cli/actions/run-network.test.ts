import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createNetwork } from '../client/networks/store.ts'
import { networkOf as networkIn } from './run-network.ts'

const stateDir = mkdtempSync(`${tmpdir()}/run-network-`)
afterAll(() => rmSync(stateDir, { recursive: true }))
const store = { stateDir, namespace: 'default' }
for (const [name, internal] of [
  ['shop', false],
  ['vault', true],
] as const)
  await createNetwork(store, name, { internal, labels: {} })
const networkOf = (
  flags: Parameters<typeof networkIn>[1],
  internetworkingModel: 'tcfilter' | 'none' = 'tcfilter',
  namespace = 'default',
) =>
  networkIn({ ...store, namespace }, flags, {
    id: 'Web',
    hostname: 'house',
    config: { runtime: { internetworkingModel } },
  })

const bridge = { wishes: { ports: [] }, nameServer: '10.88.0.1' }

test('without an option there is a network, unless the configuration says that guests have none', () => {
  expect(networkOf({})).toEqual(bridge)
  expect(networkOf({ network: 'none' })).toEqual({ isNone: true })
  expect(networkOf({}, 'none')).toEqual({ isNone: true })
  expect(networkOf({ network: 'bridge' }, 'none')).toEqual(bridge)
  expect(networkOf({ denyAll: true }, 'none').wishes).toEqual({ ports: [], allowed: [] })
})

test.each([
  { network: 'bridge' },
  { publish: ['8080:80'] },
  { publishAll: true },
  { denyAll: true },
] as const)(
  'where guests have no network, a member of the service has none in spite of that: %j',
  (flags) => {
    const refused =
      /^\[SERVICE_REFUSED\] a network in spite of internetworking_model = "none" is only for root/
    expect(() => networkOf(flags, 'none', 'uid-1000')).toThrow(refused)
    expect(networkOf(flags, 'none').wishes).toBeDefined()
    expect(networkOf({}, 'none', 'uid-1000')).toEqual({ isNone: true })
    expect(networkOf(flags, 'tcfilter', 'uid-1000').wishes).toBeDefined()
  },
)

test('bridge is a network of its own, and --publish needs one', () => {
  expect(networkOf({ network: 'bridge' })).toEqual(bridge)
  expect(networkOf({ publish: ['8080:80'] })).toEqual({
    wishes: { ports: [{ host: 8080, container: 80, protocol: 'tcp' }] },
    nameServer: '10.88.0.1',
  })
})

test('ports without one of the host’s are found with the record, and --publish-all is a wish for a network', () => {
  expect(networkOf({ publish: ['80', '8443:443'] })).toMatchObject({
    wishes: { ports: [{ host: 8443, container: 443, protocol: 'tcp' }] },
    freePorts: [{ container: 80, protocol: 'tcp' }],
  })
  expect(networkOf({ publishAll: true })).toEqual(bridge)
  expect(networkOf({ network: 'shop', publish: ['80'] }).freePorts).toHaveLength(1)
  for (const network of ['none', 'ns:/proc/self/ns/net', 'vault'])
    expect(() => networkOf({ network, publishAll: true })).toThrow(/^\[OPTION_CONFLICT\].*--publish-all/)
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

test('--dns that nobody would ask is refused', () => {
  expect(() => networkOf({ allow: ['a.test'], dns: ['9.9.9.9'] })).toThrow(
    /^\[OPTION_CONFLICT\].*--dns and --allow/,
  )
  expect(() => networkOf({ network: 'shop', dns: ['::1'] })).toThrow(/^\[OPTION_CONFLICT\].*--dns.*IPv4/)
  expect(networkOf({ network: 'shop', allow: ['a.test'], dns: ['9.9.9.9'] }).place?.upstream).toBe('9.9.9.9')
  expect(networkOf({ dns: ['::1'] })).toEqual(bridge)
})

test('a network by its name: names of the container, and its name server', () => {
  const asked = { network: 'shop', publish: ['8080:80'], networkAlias: ['WWW'], dns: ['::1', '9.9.9.9'] }
  expect(networkOf({ ...asked, ip: '10.89.0.7', macAddress: '02-42-0A-59-00-07' })).toEqual({
    wishes: { ports: [{ host: 8080, container: 80, protocol: 'tcp' }] },
    place: {
      network: 'shop',
      names: ['web', 'house', 'www'],
      address: '10.89.0.7',
      mac: '02:42:0a:59:00:07',
      upstream: '9.9.9.9',
    },
    nameServer: expect.stringMatching(/^10\.89\.\d+\.1$/),
  })
  expect(networkOf({ network: 'shop', allow: ['a.test'] }).wishes?.allowed).toEqual([{ host: 'a.test' }])
})

test('an internal network leads nowhere, and nothing can be asked of that', () => {
  expect(networkOf({ network: 'vault' }).wishes).toEqual({ ports: [], allowed: [] })
  expect(() => networkOf({ network: 'vault', publish: ['80:80'] })).toThrow(/^\[OPTION_CONFLICT\].*--publish/)
  expect(() => networkOf({ network: 'vault', allow: ['a.test'] })).toThrow(/^\[OPTION_CONFLICT\].*--allow/)
})

test.each([
  [{ network: 'nosuch' }, 'NETWORK_NOT_FOUND'],
  [{ network: 'bridge', ip: '10.88.0.2' }, 'OPTION_CONFLICT'],
  [{ networkAlias: ['db'] }, 'OPTION_CONFLICT'],
  [{ ip: '10.88.0.2' }, 'OPTION_CONFLICT'],
  [{ network: 'shop', networkAlias: ['a b'] }, 'OPTION_INVALID'],
  [{ network: 'none', macAddress: '02:42:0a:59:00:07' }, 'OPTION_CONFLICT'],
  [{ macAddress: '01:42:0a:59:00:07' }, 'OPTION_INVALID'],
])('%j is refused with %s', (flags, code) => {
  expect(() => networkOf(flags)).toThrow(`[${code}]`)
})
