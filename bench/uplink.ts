/** The two ways outside that a container's network could have, pasta and CNI plugins, without a machine around them. */
import { hostProgram } from '../src/network/uplink/test-host.ts'
import { ms, type Result } from './report.ts'
import { round, summarize } from './stats.ts'

/** What one way showed, of each round. */
export interface WayMeasured {
  /** Milliseconds until the container's namespace is ready. */
  readonly makeMs: readonly number[]
  /** Milliseconds until it is gone. */
  readonly endMs: readonly number[]
  /** MB/s through one TCP connection. */
  readonly out: readonly number[]
  readonly into: readonly number[]
  /** A byte there and back, microseconds. */
  readonly roundTripUs: readonly number[]
  /** Connections a second, one after the other. */
  readonly connections: readonly number[]
  /** MB of the processes that carry it. */
  readonly memory: readonly number[]
}

export type WaysMeasured = Readonly<Record<'pasta' | 'cni', WayMeasured>>

/** They change addresses, routes and the firewall: in namespaces of their own, which stand for a host and for what is outside. */
export async function benchUplink(rounds: number): Promise<Result> {
  using program = hostProgram(`${import.meta.dir}/uplink.host.ts`, `${rounds}`)
  const child = Bun.spawn([...program.argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0) throw new Error(stderr)
  return shown(JSON.parse(stdout) as WaysMeasured, rounds)
}

type Shown = (median: number) => string

/** Each line with the unit of its figures. */
const lines: readonly (readonly [string, keyof WayMeasured, Shown])[] = [
  ['to make it', 'makeMs', ms],
  ['to end it', 'endMs', ms],
  ['one TCP connection, outwards', 'out', (rate) => `${rate.toFixed(rate < 10 ? 1 : 0)} MB/s`],
  ['one TCP connection, inwards', 'into', (rate) => `${rate.toFixed(rate < 10 ? 1 : 0)} MB/s`],
  ['a byte there and back', 'roundTripUs', (us) => `${Math.round(us)} µs`],
  ['connections, one after the other', 'connections', (count) => `${Math.round(count)} /s`],
  ['memory of its processes', 'memory', (mb) => `${mb.toFixed(1)} MB`],
]

function shown(measured: WaysMeasured, rounds: number): Result {
  const { pasta, cni } = measured
  const median = (way: WayMeasured, of: keyof WayMeasured) => summarize([...way[of]]).median
  const rows = lines.map(([label, of, text]) => {
    const [byPasta, byCni] = [median(pasta, of), median(cni, of)]
    return [label, text(byPasta), text(byCni), byCni === 0 ? '' : `${(byPasta / byCni).toFixed(2)}`]
  })
  return {
    name: 'uplink',
    what: `a container’s network without its machine, by pasta and by the CNI plugins bridge, portmap and firewall (${rounds} rounds in turns, medians)`,
    tables: [{ header: ['', 'pasta', 'CNI', 'pasta / CNI'], rows }],
    notes: [],
    data: { rounds, ...Object.fromEntries(Object.entries(measured).map(([way, of]) => [way, rounded(of)])) },
  }
}

const rounded = (way: WayMeasured) =>
  Object.fromEntries(Object.entries(way).map(([of, figures]) => [of, figures.map(round)]))
