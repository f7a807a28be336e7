// test:vmm: every VMM
/** A machine whose network is limited: what it sends and receives in a time is no more than the buckets' arithmetic allows; one without limits is faster. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { bucketFor } from '../src/network/limits.ts'
import { ip, TestNetns } from '../src/network/testing.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration } from './harness/vmm.ts'

setDefaultTimeout(slow(90_000))

const [hostAddress, podAddress] = ['10.76.0.1', '10.76.0.2']
const [mtu, port] = [1500, 5000]
/** Bits per second. */
const limits = { rx: 800_000, tx: 400_000 }
const bytes = 300_000
const allowed = (bits: number, ms: number) => {
  const { bytesPerSecond, burst } = bucketFor(bits, mtu)
  return burst + (bytesPerSecond * ms) / 1000
}

const area = scratch()
let kata: Kata
let pod: TestNetns
let before: HostState
/** As `tc -s` tells of them. */
interface Queue {
  readonly kind: string
  readonly dev: string
  readonly overlimits: number
}
const buckets = () =>
  (JSON.parse(pod.run('tc', '-s', '-j', 'qdisc', 'show')) as Queue[]).filter(({ kind }) => kind === 'tbf')

beforeAll(() => {
  kata = new Kata()
  pod = new TestNetns('kt-limits')
  pod.veth('eth0', 'kt-limits0', { mtu })
  pod.address('eth0', `${podAddress}/24`)
  ip(`addr add ${hostAddress}/24 dev kt-limits0`)
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  pod[Symbol.dispose]()
  area[Symbol.dispose]()
})

/** How long a machine takes to send so many bytes, and to get them, in milliseconds. */
async function measure({ rx, tx }: { rx: number; tx: number }) {
  const configuration = `${area.path}/configuration.toml`
  const text = shippedConfiguration()
    .replace(/^rx_rate_limiter_max_rate = .*$/m, `rx_rate_limiter_max_rate = ${rx}`)
    .replace(/^tx_rate_limiter_max_rate = .*$/m, `tx_rate_limiter_max_rate = ${tx}`)
  writeFileSync(configuration, text)
  const flags = ['--name', 'pod', '--config', configuration, '--network', `ns:${pod.path}`]
  expect(await kata.call(['run', '-d', ...flags, '--', 'sleep', '1000'])).toMatchObject({
    code: 0,
    stderr: '',
  })
  const times = { sent: await send(), received: await receive(), buckets: buckets() }
  await kata.call(['rm', '-f', 'pod'])
  return times
}

const inside = (script: string) => kata.call(['exec', 'pod', '--', 'sh', '-c', script])

async function send(): Promise<number> {
  let got = 0
  using server = Bun.listen({
    hostname: hostAddress,
    port: 0,
    socket: {
      data(_socket, { length }) {
        got += length
      },
    },
  })
  const started = performance.now()
  await inside(`dd if=/dev/zero bs=${bytes} count=1 2>/dev/null | nc ${hostAddress} ${server.port}`)
  await eventually('all of it', () => got >= bytes || undefined)
  return performance.now() - started
}

async function receive(): Promise<number> {
  const counted = inside(`nc -l -p ${port} </dev/null | wc -c`)
  await eventually(
    'the server',
    async () => (await inside(`netstat -ltn | grep :${port}`)).code === 0 || undefined,
  )
  const started = performance.now()
  createConnection({ host: podAddress, port }).end(Buffer.alloc(bytes))
  expect((await counted).stdout.trim()).toBe(`${bytes}`)
  return performance.now() - started
}

test('each direction has its own limit, by a bucket where the guest does not get; without them it is faster', async () => {
  const limited = await measure(limits)
  expect(allowed(limits.tx, limited.sent)).toBeGreaterThanOrEqual(bytes)
  expect(allowed(limits.rx, limited.received)).toBeGreaterThanOrEqual(bytes)
  expect(limited.buckets.map(({ overlimits }) => overlimits > 0)).toEqual([true, true])
  expect(buckets()).toEqual([])
  const free = await measure({ rx: 0, tx: 0 })
  expect(free.buckets).toEqual([])
  expect(free.sent).toBeLessThan(limited.sent)
  expect(free.received).toBeLessThan(limited.received)
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
})
