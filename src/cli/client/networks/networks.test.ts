import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { writeNetworkWishes } from '../../../bundle/network.ts'
import { tryDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { clocksThatRush } from '../../../time.double.ts'
import { parseSubnet } from '../../parse/subnet.ts'
import { recordPaths } from '../record.ts'
import { freeAddress, freeSubnet, gatewayOf, isForContainers, macOf } from './addresses.ts'
import { takePorts } from './free-ports.ts'
import { removeNetwork, takePlace } from './place.ts'
import { createNetwork, listNetworks, networkDir, readNetwork } from './store.ts'
import { networkUses } from './uses.ts'

let store: { stateDir: string; namespace: string }
beforeEach(() => {
  store = { stateDir: mkdtempSync(`${tmpdir()}/networks-`), namespace: 'default' }
})
afterEach(() => rmSync(store.stateDir, { recursive: true }))

const plain = { labels: {}, internal: false }
const small = { ...plain, subnet: parseSubnet('10.7.0.9/29') }

/** Notes a place as `run` does. */
function put(container: string, network: string, more: { address?: string; mac?: string } = {}) {
  return takePlace(store, { network, names: [container], ...more }, ({ place, mac }) => {
    const { bundle } = recordPaths(store.stateDir, store.namespace, container)
    mkdirSync(bundle, { recursive: true })
    writeNetworkWishes(bundle, { ports: [], place, mac })
    return { ...place, mac }
  })
}

describe('a subnet', () => {
  test('is written from its first address, and its gateway has the next one', () => {
    expect(small.subnet).toMatchObject({ text: '10.7.0.8/29', bits: 29 })
    expect(gatewayOf(small.subnet)).toBe('10.7.0.9')
    expect([8, 9, 10, 14, 15, 16].map((n) => isForContainers(small.subnet, `10.7.0.${n}`))).toEqual([
      ...[false, false, true, true, false, false],
    ])
    expect(isForContainers(small.subnet, 'fd00::1')).toBe(false)
    expect(macOf('10.7.0.10')).toBe('02:42:0a:07:00:0a')
  })

  test.each([
    '10.0.0.0',
    '10.0.0.0/30',
    '10.0.0.0/7',
    '127.1.0.0/16',
    '169.254.1.0/24',
    '169.254.0.0/15',
    '169.252.0.0/14',
    '224.0.0.0/8',
    'fd00::/64',
  ])('%s is refused', (text) => expect(() => parseSubnet(text)).toThrow('[OPTION_INVALID]'))

  test('is free when nothing of it is taken, and there are 256 of them', () => {
    expect(freeSubnet([])?.text).toBe('10.89.0.0/24')
    expect(freeSubnet([parseSubnet('10.88.0.0/15')])).toBeUndefined()
    expect(freeSubnet(['10.89.0.128/25', '10.89.1.0/24'].map(parseSubnet))?.text).toBe('10.89.2.0/24')
  })

  test('has its free addresses in order', () => {
    expect(freeAddress(small.subnet, new Set(['10.7.0.10', '10.7.0.12']))).toBe('10.7.0.11')
  })
})

describe('networks', () => {
  test('are made once, with addresses of their own, and nobody else reads them', async () => {
    const one = await createNetwork(store, 'one', plain)
    const other = await createNetwork(store, 'other', plain)
    expect(one.subnet).not.toBe(other.subnet)
    expect(readNetwork(store, 'one')).toEqual(one)
    expect(listNetworks(store)).toEqual(['one', 'other'])
    expect(statSync(networkDir(store, 'one')).mode & 0o777).toBe(0o700)
    await expect(createNetwork(store, 'one', plain)).rejects.toThrow('[NETWORK_EXISTS]')
    for (const word of ['bridge', 'host', 'none', 'default'])
      await expect(createNetwork(store, word, plain)).rejects.toThrow('[OPTION_INVALID] network create')
    await expect(createNetwork(store, '../up', plain)).rejects.toThrow('[NAME_INVALID]')
    const again = { ...plain, subnet: parseSubnet(one.subnet) }
    await expect(createNetwork(store, 'third', again)).rejects.toThrow('[NETWORK_SUBNET_TAKEN]')
    expect(listNetworks(store)).toEqual(['one', 'other'])
  })

  test('of several processes at once have no address in common', async () => {
    const program = `
      import { createNetwork } from '${import.meta.dir}/store.ts'
      const store = JSON.parse(process.argv[1])
      await new Promise((resolve) => setTimeout(resolve, Number(process.argv[3]) - Date.now()))
      await createNetwork(store, process.argv[2], { labels: {}, internal: false })`
    const at = String(Date.now() + 1500)
    const argv = (name: string) => ['-e', program, JSON.stringify(store), name, at]
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const makers = names.map((name) => Bun.spawn([process.execPath, ...argv(name)]))
    expect(await Promise.all(makers.map(({ exited }) => exited))).toEqual(names.map(() => 0))
    expect(new Set(names.map((name) => readNetwork(store, name).subnet)).size).toBe(names.length)
  })

  test('whose file is no network of ours are told with its path', async () => {
    const { name } = await createNetwork(store, 'one', plain)
    const path = `${networkDir(store, name)}/network.json`
    writeFileSync(path, '{"name":7}')
    expect(() => readNetwork(store, name)).toThrow(
      new RegExp(
        `^\\[NETWORK_UNREADABLE\\] the record ${path} of a network cannot be read .*Remove its directory`,
      ),
    )
  })

  test('are made while others go', async () => {
    await createNetwork(store, 'one', plain)
    mkdirSync(networkDir(store, 'gone'))
    expect((await createNetwork(store, 'other', plain)).name).toBe('other')
  })

  test('give each container a place, until they are full', async () => {
    await createNetwork(store, 'small', small)
    const places = await Promise.all(['a', 'b', 'c'].map((name) => put(name, 'small')))
    expect(places.map(({ address }) => address).sort()).toEqual(['10.7.0.10', '10.7.0.11', '10.7.0.12'])
    expect(places[0]).toMatchObject({ gateway: '10.7.0.9', bits: 29, mac: macOf(places[0]!.address) })
    expect(await put('d', 'small', { address: '10.7.0.14', mac: '02:00:00:00:00:01' })).toMatchObject({
      address: '10.7.0.14',
      mac: '02:00:00:00:00:01',
    })
    await put('e', 'small')
    await expect(put('f', 'small')).rejects.toThrow('[NETWORK_FULL]')
    await expect(put('f', 'small', { address: '10.7.0.14' })).rejects.toThrow(
      /^\[NETWORK_ADDRESS_TAKEN\] the address 10\.7\.0\.14 on network small belongs to d\. .*kata-ts rm/,
    )
    await expect(put('f', 'small', { address: '10.7.0.9' })).rejects.toThrow('[NETWORK_ADDRESS_INVALID]')
    await expect(put('f', 'nosuch')).rejects.toThrow('[NETWORK_NOT_FOUND]')
    expect(
      networkUses(store)
        .get('small')
        ?.map(({ container }) => container),
    ).toEqual([...['a', 'b', 'c', 'd', 'e']])
    expect(networkUses(store).get('small')).toContainEqual(
      expect.objectContaining({ address: '10.7.0.14', ipv6: 'fd5e:9c41:7ab0::a07:e' }),
    )
  })

  test('give nobody an address whose hardware address is another’s', async () => {
    await createNetwork(store, 'small', small)
    await put('a', 'small', { mac: macOf('10.7.0.11') })
    expect(await put('b', 'small')).toMatchObject({ address: '10.7.0.12', mac: macOf('10.7.0.12') })
    expect(await put('c', 'small', { mac: '02:00:00:00:00:01' })).toMatchObject({ address: '10.7.0.11' })
  })

  test('stay while a container has a place, and its address is free once it is removed', async () => {
    await createNetwork(store, 'small', small)
    const { address } = await put('a', 'small')
    await expect(removeNetwork(store, 'small')).rejects.toThrow(/^\[NETWORK_IN_USE\].*belongs to a/)
    rmSync(recordPaths(store.stateDir, store.namespace, 'a').directory, { recursive: true })
    expect((await put('b', 'small')).address).toBe(address)
    rmSync(recordPaths(store.stateDir, store.namespace, 'b').directory, { recursive: true })
    await removeNetwork(store, 'small')
    expect(listNetworks(store)).toEqual([])
    await expect(removeNetwork(store, 'small')).rejects.toThrow('[NETWORK_NOT_FOUND]')
  })

  test('that others are at work on for longer than anybody waits are busy', async () => {
    await createNetwork(store, 'one', plain)
    const directory = networkDir(store, 'one')
    const busy = { code: 'NETWORK_BUSY', remedy: 'Try again.' }
    using _rush = clocksThatRush()
    {
      using _held = tryDirectoryLock(directory)
      await expect(put('a', 'one')).rejects.toMatchObject({ ...busy, fields: { name: 'one' } })
    }
    {
      using _held = tryDirectoryLock(dirname(directory))
      await expect(createNetwork(store, 'two', plain)).rejects.toMatchObject({
        ...busy,
        fields: { name: 'two' },
      })
    }
    await put('a', 'one')
    const ports = () => takePorts(store.stateDir, [], [], async () => 'noted')
    {
      using _held = tryDirectoryLock(`${store.stateDir}/containers`)
      await expect(ports()).rejects.toMatchObject({ code: 'NETWORK_PORTS_BUSY', remedy: 'Try again.' })
    }
    expect(await ports()).toBe('noted')
    expect(listNetworks(store)).toEqual(['one'])
  })
})
