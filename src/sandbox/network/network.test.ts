import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { callerOption } from '../../oci/caller-mount.ts'
import { type NetworkMaking, networkRequest, SandboxNetwork } from './network.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/network-`)
})
afterEach(() => rmSync(base, { recursive: true }))

/** The lines for the guest of a container that has `source` as its resolv.conf. */
const dnsOf = (source: string, options: string[] = ['rbind', 'ro']) =>
  networkRequest(
    {
      linux: { namespaces: [{ type: 'network', path: '/run/netns/x' }] },
      mounts: [{ destination: '/etc/resolv.conf', type: 'bind', source, options }],
    },
    { client: 'k8s.io', id: 'c', bundle: base },
  ).dns

test('the guest has the name servers of the pod', () => {
  writeFileSync(`${base}/conf`, 'nameserver 10.0.0.1\n\nsearch example.org\n')
  expect(dnsOf(`${base}/conf`)).toEqual(['nameserver 10.0.0.1', 'search example.org'])
})

test('a long file is cut', () => {
  writeFileSync(`${base}/conf`, `${'#'.repeat(63)}\n`.repeat(2000))
  expect(dnsOf(`${base}/conf`).length).toBe(1024)
})

test('what is no file, or is led to by a link of others, is not read', () => {
  makeFifo(`${base}/fifo`)
  writeFileSync(`${base}/secret`, 'root:x\n')
  symlinkSync(`${base}/secret`, `${base}/link`)
  for (const source of [`${base}/fifo`, '/dev/zero', base, `${base}/none`, `${base}/link`])
    expect(dnsOf(source)).toEqual([])
})

test('root reads no file that a user mounts there', () => {
  writeFileSync(`${base}/conf`, 'nameserver 10.0.0.1\n')
  const user = { uid: 1000, gid: 1000, guestUid: 0, guestGid: 0, device: 1n, inode: 2n }
  expect(dnsOf(`${base}/conf`, ['rbind', callerOption(user)])).toEqual([])
})

/** A network whose namespace has one interface that is new to the first who looks, as the kernel's would be. */
async function lateNetwork() {
  const making = { config: { runtime: { internetworkingModel: 'tcfilter' } } } as unknown as NetworkMaking
  const network = await SandboxNetwork.create({ netns: '/run/netns/x', dns: [] }, making)
  let isNew = true
  const nic = { id: 'nic2', mac: '', mtu: 1500, taps: [], vhosts: [] }
  network.attach = async () => {
    const nics = isNew ? [nic] : []
    isNew = false
    const facts = { interfaces: [], routes: [], neighbours: [] }
    return { links: [], facts, fresh: [], nics, close: () => {}, [Symbol.dispose]: () => {} }
  }
  return network
}
const noAgent = {} as Parameters<SandboxNetwork['attachLate']>[1]

test('nothing starts without a late network that could not be attached', async () => {
  const network = await lateNetwork()
  const full = { plugNic: () => Promise.reject(new Error('no slot is free')) }
  for (let start = 0; start < 2; start++)
    await expect(network.attachLate(full, noAgent, 0)).rejects.toThrow('no slot is free')
})

test('a second start waits for the late network of the first', async () => {
  const network = await lateNetwork()
  const plugged = Promise.withResolvers<void>()
  const order: string[] = []
  const start = (name: string) =>
    network.attachLate({ plugNic: () => plugged.promise }, noAgent, 0).then(() => order.push(name))
  const both = Promise.all([start('first'), start('second')])
  await Bun.sleep(0)
  order.push('plugged')
  plugged.resolve()
  await both
  expect(order).toEqual(['plugged', 'first', 'second'])
})
