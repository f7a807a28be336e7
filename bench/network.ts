/** What a pod's network costs a start, with and without in turns; then what goes through it between guest and host. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { ip, TestNetns } from '../src/network/testing.ts'
import type { Host } from './host.ts'
import { ms, type Result, summaryRow } from './report.ts'
import { runOnce, stepMedians } from './start.ts'
import { round, summarize } from './stats.ts'

const guest = '10.94.0.2'
const streamBytes = 256_000_000
const ports = { source: 5000, sink: 5001, echo: 5002 }
const roundTrips = 200

export async function benchNetwork(host: Host, rounds: number): Promise<Result> {
  using pod = new TestNetns(`kt-bench-${process.pid}`)
  pod.veth('eth0', 'kt-bench')
  ip('addr add 10.94.0.1/24 dev kt-bench')
  pod.address('eth0', `${guest}/24`)
  pod.ip('route add default via 10.94.0.1')
  const network = ['--network', `ns:${pod.path}`]

  const runs = { without: [] as Run[], with: [] as Run[] }
  for (let turn = 0; turn <= rounds; turn++) {
    const without = await runOnce(host, `net-none-${turn}`)
    const withIt = await runOnce(host, `net-ns-${turn}`, network)
    // The first round fills the caches of both.
    if (turn === 0) continue
    runs.without.push(without)
    runs.with.push(withIt)
  }
  const first = (list: readonly Run[]) => summarize(list.map(({ firstOutputMs }) => firstOutputMs))
  const starts = { without: first(runs.without), with: first(runs.with) }
  const [bare, full] = [runs.without, runs.with].map((list) => stepMedians(list.map(({ steps }) => steps)))
  const steps = full!.map(({ step, ms: took }) => ({
    step,
    without: bare!.find((other) => other.step === step)?.ms ?? 0,
    with: took,
  }))
  const { toHost, toGuest, roundTripMs } = await throughput(host, network)
  const added = starts.with.median - starts.without.median
  return {
    name: 'network',
    what: `kata-ts run --rm -- echo x, without and with a network of one interface (${rounds} rounds in turns)`,
    tables: [
      {
        header: ['until the first output', 'median', 'min', 'p90'],
        rows: [summaryRow('without a network', starts.without), summaryRow('with one', starts.with)],
      },
      {
        header: ['step (median)', 'without', 'with'],
        rows: steps.map(({ step, without, with: took }) => [step, ms(without), ms(took)]),
      },
      {
        header: ['one TCP connection', ''],
        rows: [
          ['guest to host', `${toHost} MB/s`],
          ['host to guest', `${toGuest} MB/s`],
          ['a byte there and back (median)', ms(roundTripMs)],
        ],
      },
    ],
    notes: [`the network adds ${ms(added)} to a start`],
    data: {
      rounds,
      ...starts,
      addedMs: round(added),
      steps,
      toHost,
      toGuest,
      roundTripMs: round(roundTripMs),
    },
  }
}

type Run = Awaited<ReturnType<typeof runOnce>>

async function throughput(host: Host, network: readonly string[]) {
  const serve = (port: number, command: string) => `nc -ll -p ${port} -e ${command}`
  const script = [
    serve(ports.source, `dd if=/dev/zero bs=64000 count=${streamBytes / 64_000}`),
    serve(ports.sink, 'dd of=/dev/null bs=64k'),
    `exec ${serve(ports.echo, 'cat')}`,
  ].join(' & ')
  await host.must(['run', '-d', '--name', 'net-rate', ...network, '--', 'sh', '-c', script])
  try {
    const echo = await dial(ports.echo)
    const times: number[] = []
    for (let count = 0; count < roundTrips; count++) {
      const begun = performance.now()
      echo.write('x')
      await once(echo, 'data')
      times.push(performance.now() - begun)
    }
    echo.destroy()
    return { toHost: await receiveRate(), toGuest: await sendRate(), roundTripMs: summarize(times).median }
  } finally {
    await host.must(['rm', '-f', 'net-rate'])
  }
}

/** Connects once the guest listens. */
async function dial(port: number): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    const socket = createConnection({ host: guest, port, noDelay: true })
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      if (tries === 100) throw error
      await Bun.sleep(50)
    }
  }
}

const rate = (begun: number): number => round(streamBytes / 1e6 / ((performance.now() - begun) / 1000))

async function receiveRate(): Promise<number> {
  const socket = await dial(ports.source)
  const begun = performance.now()
  let bytes = 0
  for await (const chunk of socket) bytes += (chunk as Buffer).length
  if (bytes !== streamBytes) throw new Error(`of ${streamBytes} bytes ${bytes} came through`)
  return rate(begun)
}

async function sendRate(): Promise<number> {
  const socket = await dial(ports.sink)
  const chunk = Buffer.alloc(1_000_000)
  const begun = performance.now()
  for (let sent = 0; sent < streamBytes; sent += chunk.length)
    if (!socket.write(chunk)) await once(socket, 'drain')
  socket.end()
  // The guest closes once it has read all of it.
  await once(socket.resume(), 'close')
  return rate(begun)
}
