/** The host of uplink.ts, in namespaces of its own: prints what both ways showed as JSON. */
import { mkdirSync } from 'node:fs'
import { processesOfUid } from '../src/linux/processes/proc.ts'
import { killUids } from '../src/linux/processes/uid-processes.ts'
import { command } from '../src/network/testing.ts'
import { makeOutside, outside, started, testLedger } from '../src/network/uplink/testing.ts'
import { startUplink } from '../src/network/uplink/uplink.ts'
import { readMemory } from './smaps.ts'
import type { WayMeasured, WaysMeasured } from './uplink.ts'

const [, , directory = '', rounds = '1'] = process.argv
/** How long bytes are sent each way, milliseconds. */
const streamMs = 2000
const uid = 2_067_000_030

/** A container's namespace by one of the ways. */
interface Made {
  /** A process in it. */
  readonly pid: number
  /** KiB of the processes that carry it. */
  memory(): number
  end(): Promise<void>
}

const internet = await makeOutside()
await started(
  internet,
  `const { createServer } = require('net'), chunk = Buffer.alloc(64000)
let took = 0
const serve = (port, on) => createServer((c) => (c.setNoDelay(), c.on('error', () => {}), on(c))).listen(port, '0.0.0.0')
serve(5000, (c) => { const go = () => { while (c.write(chunk)); }; c.on('drain', go); go() })
serve(5001, (c) => { took = 0; c.on('data', (d) => { took += d.length }) })
serve(5002, (c) => c.on('data', (d) => c.write(d)))
serve(5003, (c) => c.end('x'))
serve(5004, (c) => c.end('' + took))
console.log('up')`,
)

/** Runs in the container's namespace. A stream goes on for its time, however much of it comes through. */
const client = `
const { connect } = require('net'), { once } = require('events'), chunk = Buffer.alloc(64000)
const dial = async (port) => { const c = connect({ host: '${outside.web}', port, noDelay: true }); c.on('error', () => {}); await once(c, 'connect'); return c }
const rate = (bytes, begun) => bytes / 1e3 / (performance.now() - begun)
const echo = await dial(5002), times = []
for (let n = 0; n < 500; n++) { const begun = performance.now(); echo.write('x'); await once(echo, 'data'); times.push(performance.now() - begun) }
echo.destroy()
let c = await dial(5000), begun = performance.now(), got = 0
c.on('data', (d) => { got += d.length })
await Bun.sleep(${streamMs})
const into = rate(got, begun)
c.destroy()
c = await dial(5001); begun = performance.now()
const go = () => { while (c.write(chunk)); }
c.on('drain', go); go()
await Bun.sleep(${streamMs})
const [took] = await once(await dial(5004), 'data')
const out = rate(Number(took), begun)
c.destroy()
begun = performance.now()
for (let n = 0; n < 200; n++) { c = await dial(5003); c.resume(); await once(c, 'close') }
const connections = 200_000 / (performance.now() - begun)
console.log(JSON.stringify({ out, into, connections, roundTripUs: times.sort((a, b) => a - b)[250] * 1000 }))
process.exit(0)`

/** As guests have it, whatever the host's is: BBR almost stands still behind pasta. */
const asGuest = 'ip -4 route change $(ip -4 route show default) congctl cubic; exec "$@"'

async function measure(pid: number): Promise<Record<string, number>> {
  const inNetwork = ['nsenter', `--net=/proc/${pid}/ns/net`, '--', 'sh', '-ec', asGuest, 'sh']
  const child = Bun.spawn([...inNetwork, process.execPath, '-e', client], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  return JSON.parse(await child.stdout.text())
}

async function byPasta(turn: number): Promise<Made> {
  const stateDir = `${directory}/${turn}`
  mkdirSync(stateDir)
  const ledger = testLedger(stateDir)
  const { signal } = new AbortController()
  const { container } = await startUplink(ledger, {
    wishes: { ports: [] },
    uid,
    token: 'be',
    stateDir,
    signal,
  })
  return {
    pid: container.pid,
    memory: () => processesOfUid(uid).reduce((sum, pid) => sum + readMemory(pid).own.pss, 0),
    async end() {
      await ledger.releaseAll()
      await killUids(uid, uid)
    },
  }
}

/** What nerdctl chains for its default network. */
const plugins = [
  {
    type: 'bridge',
    bridge: 'bench0',
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      dataDir: `${directory}/ipam`,
      routes: [{ dst: '0.0.0.0/0' }],
      ranges: [[{ subnet: '10.77.0.0/24' }]],
    },
  },
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'firewall' },
]

async function byCni(turn: number): Promise<Made> {
  const holder = Bun.spawn(['unshare', '--net', 'sleep', 'infinity'])
  const own = command('readlink', '/proc/self/ns/net')
  while (command('readlink', `/proc/${holder.pid}/ns/net`) === own) await Bun.sleep(1)
  const netns = `/proc/${holder.pid}/ns/net`
  let prevResult: unknown
  for (const plugin of plugins) prevResult = await call('ADD', plugin, { turn, netns, prevResult })
  return {
    pid: holder.pid,
    memory: () => 0,
    async end() {
      for (const plugin of plugins.toReversed()) await call('DEL', plugin, { turn, netns, prevResult })
      holder.kill('SIGKILL')
      await holder.exited
    },
  }
}

async function call(
  verb: 'ADD' | 'DEL',
  plugin: { readonly type: string },
  { turn, netns, prevResult }: { turn: number; netns: string; prevResult: unknown },
): Promise<unknown> {
  const config = { cniVersion: '1.0.0', name: 'bench', ...plugin, prevResult }
  const child = Bun.spawn([`/usr/lib/cni/${plugin.type}`], {
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `bench-${turn}`,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/usr/lib/cni',
      PATH: process.env.PATH,
    },
    stdio: [new Blob([JSON.stringify(config)]), 'pipe', 'inherit'],
  })
  const text = await child.stdout.text()
  if ((await child.exited) !== 0) throw new Error(`${plugin.type} ${verb}: ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

const ways = { pasta: byPasta, cni: byCni }
type Way = keyof typeof ways
type Figures = { [of in keyof WayMeasured]: number[] }
const none = (): Figures => ({
  makeMs: [],
  endMs: [],
  out: [],
  into: [],
  roundTripUs: [],
  connections: [],
  memory: [],
})
const measured: Record<Way, Figures> = { pasta: none(), cni: none() }
for (let turn = 0; turn <= Number(rounds); turn++)
  for (const [way, make] of Object.entries(ways) as [Way, typeof byPasta][]) {
    const begun = performance.now()
    const made = await make(turn)
    const makeMs = performance.now() - begun
    const shown = await measure(made.pid)
    const memory = made.memory() / 1000
    const ending = performance.now()
    await made.end()
    const figures: Record<string, number> = { ...shown, memory, makeMs, endMs: performance.now() - ending }
    // The first round fills the caches of both.
    if (turn > 0) for (const [of, list] of Object.entries(measured[way])) list.push(figures[of]!)
  }
console.log(JSON.stringify(measured satisfies WaysMeasured))
process.exit(0)
