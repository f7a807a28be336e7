/** Start and exec of kata-ts, of the machine without it, and of other runtimes where they are installed: in turns, as ratios. */
import { type BareGuest, bootBare } from '../bare.ts'
import type { Host } from '../host.ts'
import { ms, type Result } from '../report.ts'
import { runOnce } from '../start.ts'
import { type Summary, summarize } from '../stats.ts'
import { libvirtPeer } from './libvirt.ts'
import { ociPeer } from './oci.ts'
import { isAbsent, type Peer } from './peer.ts'

const bareName = 'bare QEMU'
const ourName = 'kata-ts'

export interface PeersData {
  readonly rounds: number
  /** Milliseconds by name. */
  readonly start: Readonly<Record<string, { readonly until: string; readonly time: Summary }>>
  readonly exec: Readonly<Record<string, { readonly firstOutput: Summary; readonly total: Summary }>>
  /** Why others are missing, by name. */
  readonly absent: Readonly<Record<string, string>>
}

export async function benchPeers(host: Host, guest: BareGuest, rounds: number): Promise<Result> {
  using stack = new DisposableStack()
  const libvirt = libvirtPeer(guest)
  if (!isAbsent(libvirt)) stack.use(libvirt)
  const all = [
    barePeer(guest),
    libvirt,
    ourPeer(host),
    ociPeer('runc', host.stateDir),
    ociPeer('runsc', host.stateDir),
  ]
  const absent = all.filter(isAbsent)
  const peers: Peer[] = []
  for (const peer of all) {
    if (isAbsent(peer)) continue
    const why = await fails(peer)
    if (why === undefined) peers.push(peer)
    else absent.push({ name: peer.name, why })
  }
  return report({
    rounds,
    start: await starts(peers, rounds),
    exec: await execs(peers, rounds),
    absent: Object.fromEntries(absent.map(({ name, why }) => [name, why])),
  })
}

function barePeer(guest: BareGuest): Peer {
  return {
    name: bareName,
    until: 'until the agent answers',
    start: async () => (await bootBare(guest)).bootMs,
  }
}

function ourPeer(host: Host): Peer {
  const held = 'peers-exec'
  return {
    name: ourName,
    until: 'until the first output',
    start: async (id) => (await runOnce(host, id)).firstOutputMs,
    exec: {
      open: () => host.startIdle(held),
      run: () => host.must(['exec', held, '--', 'echo', 'x']),
      close: async () => void (await host.must(['rm', '-f', held])),
    },
  }
}

/**
 * A first start and exec, which fill caches. A runtime of others may be installed and not work here: that is said, and no failure of
 * ours.
 */
async function fails(peer: Peer): Promise<string | undefined> {
  try {
    await peer.start('first')
    await peer.exec?.open()
    try {
      await peer.exec?.run()
    } finally {
      await peer.exec?.close()
    }
    return undefined
  } catch (error) {
    if (peer.name === ourName || peer.name === bareName) throw error
    return `installed, but it failed: ${(error as Error).message.split('\n').at(-1)}`
  }
}

async function starts(peers: readonly Peer[], rounds: number): Promise<PeersData['start']> {
  const times = new Map(peers.map(({ name }) => [name, [] as number[]]))
  for (let turn = 0; turn < rounds; turn++)
    for (const peer of peers) times.get(peer.name)!.push(await peer.start(`peer-${turn}`))
  return Object.fromEntries(
    peers.map(({ name, until }) => [name, { until, time: summarize(times.get(name)!) }]),
  )
}

async function execs(peers: readonly Peer[], rounds: number): Promise<PeersData['exec']> {
  const able = peers.flatMap(({ name, exec }) =>
    exec === undefined ? [] : [{ name, exec, first: [] as number[], total: [] as number[] }],
  )
  const open: (typeof able)[number][] = []
  try {
    for (const one of able) {
      open.push(one)
      await one.exec.open()
    }
    for (let turn = 0; turn <= rounds; turn++)
      for (const { exec, first, total } of able) {
        const { firstByteMs, totalMs } = await exec.run()
        // The first round fills caches.
        if (turn === 0) continue
        first.push(firstByteMs ?? totalMs)
        total.push(totalMs)
      }
  } finally {
    for (const { exec } of open) await exec.close()
  }
  return Object.fromEntries(
    able.map(({ name, first, total }) => [name, { firstOutput: summarize(first), total: summarize(total) }]),
  )
}

/** The measured as tables. Pure. */
export function report(data: PeersData): Result {
  const { rounds, start, exec, absent } = data
  const of = (time: Summary, base: Summary | undefined) =>
    base === undefined ? '' : (time.median / base.median).toFixed(2)
  const cells = (time: Summary, base: Summary | undefined) => [
    ...[ms(time.median), ms(time.min), ms(time.p90), of(time, base)],
  ]
  const missing = Object.entries(absent).map(([name, why]) => [`${name}: ${why}`, '–', '–', '–', '–'])
  return {
    name: 'peers',
    what: `start and exec of echo x beside others, in turns (${rounds} rounds)`,
    tables: [
      {
        header: ['start', 'median', 'min', 'p90', `of ${bareName}`],
        rows: [
          ...Object.entries(start).map(([name, { until, time }]) => [
            `${name} ${until}`,
            ...cells(time, start[bareName]?.time),
          ]),
          ...missing,
        ],
      },
      {
        header: ['exec until the first output', 'median', 'min', 'p90', `of ${ourName}`],
        rows: Object.entries(exec).map(([name, { firstOutput }]) => [
          name,
          ...cells(firstOutput, exec[ourName]?.firstOutput),
        ]),
      },
    ],
    notes: [],
    data,
  }
}
