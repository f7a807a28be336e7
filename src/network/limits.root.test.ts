import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../ledger/ledger.ts'
import { silentLogger } from '../log.ts'
import { attachNetwork } from './attach.ts'
import { bucketFor, type NetworkLimits } from './limits.ts'
import { redirectResource } from './redirect.ts'
import { noNetns, TestNetns } from './testing.ts'

const reason = noNetns()
if (reason !== undefined) console.log(`skipped: ${reason}`)

const mtu = 1500
const payloadBytes = 1000
const packets = 400
const kilobit = 1000
/** 12.5 kB each second, of which the burst is two packets. */
const slow: NetworkLimits = { receive: 100 * kilobit, send: 100 * kilobit }

let directory: string
let pod: TestNetns
/** Where the other end of the pod's interface is, `outside`: nothing of it is on this host. */
let node: TestNetns
let serial = 0

const openLedger = () => new Ledger(join(directory, 'ledger'), [redirectResource], silentLogger)
const attach = (limits: NetworkLimits, known = new Set<number>()) =>
  attachNetwork(openLedger(), {
    netns: pod.path,
    queues: 1,
    vhost: false,
    log: silentLogger,
    limits,
    known,
  })
const counter = (link: string, name: string) =>
  Number(node.run('cat', `/sys/class/net/${link}/statistics/${name}`))
interface Queue {
  readonly kind: string
  readonly root?: boolean
  readonly dev: string
  readonly options: object
  readonly drops: number
  readonly overlimits: number
}
const bucketOf = (link: string): Queue | undefined =>
  (JSON.parse(pod.run('tc', '-s', '-j', 'qdisc', 'show', 'dev', link)) as Queue[]).find(
    ({ kind }) => kind === 'tbf',
  )
/** The bytes that a bucket lets through in so many milliseconds, those included that wait in the end. */
function allowed(bits: number, ms: number): number {
  const { bytesPerSecond, burst } = bucketFor(bits, mtu)
  return burst + (bytesPerSecond * ms) / 1000
}

/** A UDP packet as a tap takes it: an empty virtio-net header, Ethernet and IPv4 before it. */
function frame(to: string, from: string): Buffer {
  const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex')
  const ipv4 = Buffer.from('4500000000010000401100000a010002' + '0a010001', 'hex')
  ipv4.writeUInt16BE(20 + 8 + payloadBytes, 2)
  let sum = 0
  for (let at = 0; at < ipv4.length; at += 2) sum += ipv4.readUInt16BE(at)
  sum = (sum & 0xffff) + (sum >> 16)
  ipv4.writeUInt16BE(~sum & 0xffff, 10)
  const udp = Buffer.alloc(8 + payloadBytes)
  for (const [at, value] of [9, 9, udp.length, 0].entries()) udp.writeUInt16BE(value, 2 * at)
  const ethernet = Buffer.concat([mac(to), mac(from), Buffer.from('0800', 'hex')])
  return Buffer.concat([Buffer.alloc(10), ethernet, ipv4, udp])
}

/** How many bytes came out of the pod's veth at the other end, and in how long, when its machine sends without end. */
async function send(tap: number, from: string): Promise<{ bytes: number; ms: number }> {
  const before = counter('outside', 'rx_bytes')
  const packet = frame(node.ip('-o link show outside').match(/ether (\S+)/)![1]!, from)
  const started = performance.now()
  for (let count = 0; count < packets; count++) writeSync(tap, packet)
  await Bun.sleep(50)
  return { bytes: counter('outside', 'rx_bytes') - before, ms: performance.now() - started }
}

const sender = `
const socket = require('dgram').createSocket('udp4')
const payload = Buffer.alloc(${payloadBytes}, 'x')
const send = () => new Promise((resolve) => socket.send(payload, 9, '10.1.0.2', resolve))
await Promise.all(Array.from({ length: ${packets} }, send))
process.exit(0)`

/** How many bytes of payload a machine gets, and in how long, when it is sent them without end. */
async function receive(tap: number): Promise<{ bytes: number; ms: number }> {
  const started = performance.now()
  node.run(process.execPath, '-e', sender)
  let bytes = 0
  const buffer = Buffer.alloc(4096)
  for (let looks = 0; looks < 10; looks++) {
    await Bun.sleep(5)
    try {
      for (;;) bytes += buffer.subarray(0, readSync(tap, buffer)).filter((byte) => byte === 120).length
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
  return { bytes, ms: performance.now() - started }
}

test('a bucket has room for packets however low the rate, and for a part of a second where it is high', () => {
  expect(bucketFor(8, 1500)).toEqual({ bytesPerSecond: 1, burst: 3036, queue: 48_576 })
  expect(bucketFor(8e9, 1500)).toEqual({ bytesPerSecond: 1e9, burst: 1e7, queue: 1e8 })
})

describe.skipIf(reason !== undefined)('a pod’s interface', () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'limits-'))
    pod = new TestNetns(`ktl${process.pid}-${++serial}`)
    node = new TestNetns(`ktl${process.pid}o${serial}`)
    pod.veth('eth0', 'outside', { mtu, peer: node })
    pod.address('eth0', '10.1.0.2/24')
    node.address('outside', '10.1.0.1/24')
    const mac = pod.ip('-o link show eth0').match(/ether (\S+)/)![1]!
    node.ip(`neigh add 10.1.0.2 lladdr ${mac} dev outside nud permanent`)
  })
  afterEach(() => {
    pod[Symbol.dispose]()
    node[Symbol.dispose]()
    rmSync(directory, { recursive: true })
  })

  test('sends and receives what its buckets let through, and the rest is dropped or waits', async () => {
    using attached = await attach(slow)
    const { index, mac } = attached.facts.interfaces[0]!
    const [tap] = attached.nics[0]!.taps
    const [out, into] = [await send(tap!, mac), await receive(tap!)]
    // Headers are counted at the one end and left out at the other.
    expect(out.bytes).toBeGreaterThan(0)
    expect(out.bytes).toBeLessThanOrEqual(allowed(slow.send, out.ms))
    expect(into.bytes).toBeGreaterThan(0)
    expect(into.bytes).toBeLessThanOrEqual(allowed(slow.receive, into.ms))
    for (const link of ['eth0', `tap${index}_kata`]) {
      const { drops, overlimits } = bucketOf(link)!
      expect({ link, limited: drops > 0 && overlimits > 0 }).toEqual({ link, limited: true })
    }
  })

  test('without a limit gets more through than they would, and has no bucket', async () => {
    using attached = await attach({ receive: 0, send: 0 })
    const { index, mac } = attached.facts.interfaces[0]!
    const [tap] = attached.nics[0]!.taps
    const [out, into] = [await send(tap!, mac), await receive(tap!)]
    expect(out.bytes).toBeGreaterThan(allowed(slow.send, out.ms))
    expect(into.bytes).toBeGreaterThan(allowed(slow.receive, into.ms))
    for (const link of ['eth0', `tap${index}_kata`]) expect(bucketOf(link)).toBeUndefined()
  })

  test('may be limited in one direction, and is told the rate as it was asked for', async () => {
    using attached = await attach({ receive: 0, send: 50_000_000_000 })
    const { index } = attached.facts.interfaces[0]!
    // Bytes each second: more than fits into the field that tc had first.
    expect(bucketOf('eth0')?.options).toMatchObject({ rate: 6_250_000_000 })
    expect(bucketOf(`tap${index}_kata`)).toBeUndefined()
  })

  test('that comes late is limited, too', async () => {
    using first = await attach(slow)
    pod.veth('net1', 'later', { peer: node })
    pod.address('net1', '10.2.0.2/24')
    using second = await attach(slow, new Set(first.fresh.map(({ index }) => index)))
    expect(second.fresh.map(({ name }) => name)).toEqual(['net1'])
    for (const link of ['net1', `tap${second.fresh[0]!.index}_kata`])
      expect(bucketOf(link)?.options).toMatchObject({ rate: (100 * kilobit) / 8 })
  })

  test('is as it was before once the ledger is released', async () => {
    const before = pod.run('tc', 'qdisc', 'show')
    ;(await attach(slow)).close()
    expect(bucketOf('eth0')).toBeDefined()
    await openLedger().releaseAll()
    expect(pod.run('tc', 'qdisc', 'show')).toBe(before)
  })

  test('with a queue of somebody else’s is not limited: the start fails, and that queue stays', async () => {
    pod.run('tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '9:', 'pfifo')
    await expect(attach(slow)).rejects.toThrow(
      /^\[NETWORK_LIMIT_FAILED\] interface eth0 of the pod cannot be limited to 100000 bits per second: .*EEXIST/,
    )
    await openLedger().releaseAll()
    expect(pod.run('tc', 'qdisc', 'show')).toContain('pfifo 9: dev eth0 root')
    expect(pod.run('tc', 'qdisc', 'show')).not.toContain('ingress')
  })
})
