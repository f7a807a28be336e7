/** In the packet filter of this host, for users that nobody is. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Ledger } from '../../ledger/ledger.ts'
import { watchFilter } from '../../linux/interfaces/filter-changes.ts'
import { inNetns, openNetns } from '../../linux/processes/netns.ts'
import { findTool } from '../../linux/processes/which.ts'
import { until } from '../../time.ts'
import { TestNetns } from '../testing.ts'
import { closeHost, hostRules, hostTables, layUntilThere } from './host-rules.ts'
import { testLedger } from './testing.ts'

const uid = 1_867_000_040
const nothing = { nameServer: undefined, ports: [] }
const tables = async () =>
  (await hostTables()).filter((found) => found.uid === uid).map(({ table }) => table.split('-').at(-1))

describe.skipIf(process.getuid?.() !== 0 || findTool('nft') === undefined)('rules of a network', () => {
  let directory: string
  let ledger: Ledger
  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/rules-`)
    ledger = testLedger(directory)
  })
  afterEach(async () => {
    await ledger.releaseAll()
    rmSync(directory, { recursive: true })
  })

  test('are those of one lease: what is left of an earlier one takes none from who has the user now', async () => {
    mkdirSync(`${directory}/former`)
    const former = testLedger(`${directory}/former`)
    await closeHost(former, { uid, token: '0aaaaaaa-1' }, nothing)
    const wall = await closeHost(ledger, { uid, token: '0bbbbbbb-2' }, nothing)
    expect((await tables()).sort()).toEqual(['0aaaaaaa', '0bbbbbbb'])
    await former.releaseAll()
    expect(await tables()).toEqual(['0bbbbbbb'])
    expect(wall.isWhole()).toBe(true)
  })

  test('are looked at one by one, and laid again as they were', async () => {
    const ports = [{ host: 8080, container: 80, protocol: 'udp' }] as const
    const open = { nameServer: '192.0.2.53', ports }
    const wall = await closeHost(ledger, { uid, token: '0ccccccc-3' }, open)
    const name = `kata-ts-${uid}-0ccccccc`
    const list = () => Bun.spawnSync(['nft', 'list', 'table', 'inet', name]).stdout.toString()
    const laid = list()
    for (const change of [
      `insert rule inet ${name} wall accept`,
      `flush chain inet ${name} wall`,
      `flush table inet ${name}`,
      `delete table inet ${name}`,
    ]) {
      expect(wall.isWhole()).toBe(true)
      expect(Bun.spawnSync(['nft', change]).exitCode).toBe(0)
      expect({ change, whole: wall.isWhole() }).toEqual({ change, whole: false })
      await wall.mend(new AbortController().signal)
      expect(list()).toBe(laid)
    }
    // What somebody else has in the filter is no change of them.
    try {
      expect(Bun.spawnSync(['nft', `add table inet ${name}-other`]).exitCode).toBe(0)
      expect(wall.isWhole()).toBe(true)
    } finally {
      expect(Bun.spawnSync(['nft', `delete table inet ${name}-other`]).exitCode).toBe(0)
    }
  })

  test('that are changed are told of at once, and what others do besides', async () => {
    using host = new TestNetns(`ktw${process.pid}`)
    const netns = openNetns(host.path)
    const told = { changes: 0, ended: 0 }
    const listener = { changed: () => void told.changes++, ended: () => void told.ended++ }
    const watching = await inNetns(netns, () => watchFilter(listener))
    netns.close()
    const after = async (commands: string, changes: number) => {
      host.run('nft', commands)
      expect(await until(() => told.changes >= changes, { timeoutMs: 10_000 })).toBe(true)
    }
    await after(hostRules({ uid, table: `kata-ts-${uid}` }, nothing).trim(), 1)
    await after('flush ruleset', 2)
    // More than there is room for, while nobody reads: that it ends tells of them.
    const many = 'add table inet a\ndelete table inet a\n'.repeat(500)
    Bun.spawnSync(['ip', 'netns', 'exec', host.name, 'nft', '-i'], { stdin: Buffer.from(many) })
    expect(await until(() => told.ended === 1, { timeoutMs: 10_000 })).toBe(true)
    watching[Symbol.dispose]()
    const another = await watchFilter(listener)
    another[Symbol.dispose]()
    expect(await until(() => told.ended === 2, { timeoutMs: 10_000 })).toBe(true)
  }, 60_000)

  test('that another filter takes along at once are laid again, a few times', async () => {
    let laid = 0
    const lay = async () => void laid++
    expect(await layUntilThere(lay, () => (laid === 3 ? 'there' : undefined))).toBe('there')
    expect(String(await layUntilThere(lay, () => undefined).catch(String))).toContain('[NETWORK_WALL_FAILED]')
    expect(laid).toBe(8)
  })

  test('close the host’s addresses and the groups that it hears, and no neighbour', () => {
    using host = new TestNetns(`ktr${process.pid}`)
    host.ip('link add eth0 type veth peer name out')
    for (const link of ['eth0', 'out']) host.ip(`link set ${link} up`)
    host.address('eth0', '10.9.0.1/24')
    host.ip('route add default via 10.9.0.7')
    host.run('nft', hostRules({ uid, table: `kata-ts-${uid}` }, nothing).trim())
    const targets = ['10.9.0.1', '127.0.0.1', '10.9.0.255', '255.255.255.255', '224.0.0.251', '10.9.0.7']
    const said = (user: number) => {
      const code = `use Socket;
        for (@ARGV) {
          socket(S, PF_INET, SOCK_DGRAM, 17); setsockopt(S, SOL_SOCKET, SO_BROADCAST, 1); $! = 0;
          print send(S, 'x', 0, pack_sockaddr_in(9, inet_aton($_))) ? 'sent ' : 0+$!, ' ' }`
      const become = ['setpriv', '--reuid', `${user}`, '--regid', `${user}`, '--clear-groups']
      return host
        .run(...become, '/usr/bin/perl', '-e', code, ...targets)
        .trim()
        .split(/ +/)
    }
    const EPERM = '1'
    expect(said(uid)).toEqual([EPERM, EPERM, EPERM, EPERM, EPERM, 'sent'])
    expect(said(uid + 1)).toEqual(targets.map(() => 'sent'))
  })
})
