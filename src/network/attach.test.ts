import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../ledger/ledger.ts'
import { watchOpenFiles } from '../linux/files/open-files.double.ts'
import { openTap } from '../linux/interfaces/tap.ts'
import { createLogger, silentLogger } from '../log.ts'
import { formatIp, formatMac, formatPrefix, parseIp } from '../netlink/ip.ts'
import { attachNetwork } from './attach.ts'
import { embeddedDnsResource } from './embedded-dns.ts'
import { probeNetwork } from './probe.ts'
import { redirectResource, tapName } from './redirect.ts'
import { command, ip, noIpv6, noNetns, TestNetns } from './testing.ts'

const reason = noNetns()
if (reason !== undefined) console.log(`skipped: ${reason}`)
const noNft = Bun.which('nft') === null ? ' (skipped: nft is not installed)' : ''

let directory: string
let pod: TestNetns
let ledger: Ledger
let serial = 0
/** The kernel may take its time to clear up: no name is used twice. */
const fresh = () => `kt${process.pid}-${++serial}`
const openLedger = () =>
  new Ledger(join(directory, 'ledger'), [redirectResource, embeddedDnsResource], silentLogger)
const attach = (changes: Partial<Parameters<typeof attachNetwork>[1]> = {}) =>
  attachNetwork(ledger, { netns: pod.path, queues: 1, vhost: false, log: silentLogger, ...changes })
/** The first words of what ip(8) lists: names of links, without their peers, or of namespaces. */
const namesIn = (line: string, separator: string, column: number) =>
  ip(line)
    .split('\n')
    .flatMap((text) => text.split(separator)[column]?.split('@')[0] ?? [])
const loopback = () =>
  [...pod.ip('-4 -o addr show dev lo').matchAll(/inet (\S+)/g)].map(([, address]) => address)
const queues = () => pod.run('tc', 'qdisc', 'show')

const payload = 'said by a neighbour'
/** As a tap takes it: an empty virtio-net header, then an Ethernet frame with tags of virtual network 0 and IPv4 in it. */
function frame(mac: string, to: string, tags: number): Buffer {
  const tag = '81000000'.repeat(tags)
  const ethernet = `${mac.replaceAll(':', '')}020000000077${tag}0800`
  return ipv4Frame(ethernet, { from: '10.1.0.3', to, protocol: 17, what: Buffer.from(payload) })
}

interface Packet {
  readonly from: string
  readonly to: string
  readonly protocol: number
  readonly what: Buffer
}

function ipv4Frame(ethernet: string, { from, to, protocol, what }: Packet): Buffer {
  const ipv4 = Buffer.concat([Buffer.alloc(12), parseIp(from)!, parseIp(to)!])
  ipv4.writeUInt32BE(0x4500_0000 + ipv4.length + what.length, 0)
  ipv4.writeUInt32BE(0x0001_0000, 4)
  ipv4.writeUInt16BE(0x4000 + protocol, 8)
  ipv4.writeUInt16BE(checksum(ipv4), 10)
  return Buffer.concat([Buffer.alloc(10), Buffer.from(ethernet, 'hex'), ipv4, what])
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  return ~(sum + (sum >>> 16)) & 0xffff
}

/** An echo request of ICMP that a guest sends. */
function echo(mac: string, from: string, to: string): Buffer {
  const what = Buffer.concat([Buffer.of(8, 0, 0, 0, 0, 1, 0, 1), Buffer.from(`${payload}.`)])
  what.writeUInt16BE(checksum(what), 2)
  return ipv4Frame(`${mac.replaceAll(':', '')}0200000000770800`, { from, to, protocol: 1, what })
}

/** All packets that come out of a tap within a moment, as text. */
async function packetsFrom(tap: number): Promise<string[]> {
  const packets: string[] = []
  const buffer = Buffer.alloc(70_000)
  for (let looks = 0; looks < 20; looks++) {
    await Bun.sleep(5)
    try {
      for (;;) packets.push(buffer.toString('latin1', 0, readSync(tap, buffer)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
  return packets
}

const received = async (tap: number): Promise<string> => (await packetsFrom(tap)).join('')

describe.skipIf(reason !== undefined)('a pod’s network namespace', () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'network-'))
    pod = new TestNetns(fresh())
    pod.veth('eth0', fresh(), { mtu: 1400 })
    ledger = openLedger()
  })
  afterEach(() => {
    pod[Symbol.dispose]()
    rmSync(directory, { recursive: true })
  })

  /** What is read of the pod, as ip(8) has it; routes with gateway, MTU and metric. */
  async function read() {
    const warned: string[] = []
    const log = createLogger({
      sink: ({ message, ...rest }) => warned.push(`${message} ${JSON.stringify(rest)}`),
    })
    using attached = await attach({ log })
    const { interfaces, routes, neighbours } = attached.facts
    return {
      interfaces,
      addresses: interfaces[0]!.addresses.map(formatPrefix),
      routes: routes.map(({ destination, gateway, mtu, metric }) =>
        [destination && formatPrefix(destination), gateway && formatIp(gateway), mtu, metric].join(' '),
      ),
      neighbours: neighbours.map(({ address, mac }) => `${formatIp(address)} ${formatMac(mac)}`),
      warned,
    }
  }

  test('is read as it is', async () => {
    pod.address('eth0', '10.1.0.2/24')
    pod.ip('route add default via 10.1.0.1')
    pod.ip('route add 10.7.0.0/16 dev eth0 scope link mtu 1300 src 10.1.0.2')
    pod.ip('route add 10.8.0.0/16 nexthop via 10.1.0.3 nexthop via 10.1.0.4')
    pod.ip('route add blackhole 10.9.0.0/16')
    pod.ip('route add 10.11.0.0/16 dev eth0 table 100')
    pod.ip('route add 10.12.0.0/16 tos 0x10 dev eth0')
    pod.ip('rule add from 10.1.0.2 table 100 priority 77')
    pod.ip('neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent')
    pod.ip('neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud reachable')
    pod.ip('neigh add 10.1.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud reachable')
    const { interfaces, addresses, routes, neighbours, warned } = await read()
    expect(interfaces).toMatchObject([{ name: 'eth0', mtu: 1400, kind: 'veth', noArp: false }])
    expect(addresses).toContain('10.1.0.2/24')
    expect(routes).toEqual(
      expect.arrayContaining([' 10.1.0.1 0 0', '10.1.0.0/24  0 0', '10.7.0.0/16  1300 0']),
    )
    // Over several ways: the agent protocol has words for each of them.
    expect(routes.filter((route) => route.startsWith('10.8.')).sort()).toEqual([
      '10.8.0.0/16 10.1.0.3 0 0',
      '10.8.0.0/16 10.1.0.4 0 0',
    ])
    expect(routes.join()).not.toMatch(/10\.(9|11|12)\./)
    expect(warned).toHaveLength(1)
    for (const other of [
      ...['10.8.0.0/16 (it has several ways', '10.9.0.0/16 (blackhole)', '10.11.0.0/16 (table 100)'],
      ...['10.12.0.0/16 (it is for one type', 'rule 77 (table 100)'],
    ])
      expect(warned[0]).toContain(other)
    expect(neighbours.sort()).toEqual(['10.1.0.1 02:00:00:00:00:01', '10.1.0.9 02:00:00:00:00:09'])
  })

  test.skipIf(noIpv6 !== '')(`is read as it is, its IPv6 too${noIpv6}`, async () => {
    for (const prefix of ['10.1.0.2/24', 'fd00::2/64']) pod.address('eth0', prefix)
    pod.ip('-6 route add default via fd00::1 metric 7')
    pod.ip('-6 route add 2001:db8:8::/48 nexthop via fd00::3 nexthop via fd00::4')
    pod.ip('-6 route add prohibit 2001:db8:9::/48')
    pod.ip('-6 route add 2001:db8:12::/48 from fd00::2 dev eth0')
    const { addresses, routes, warned } = await read()
    expect(addresses).toEqual(
      expect.arrayContaining(['10.1.0.2/24', 'fd00::2/64', expect.stringMatching(/^fe80:/)]),
    )
    expect(routes).toEqual(expect.arrayContaining([' fd00::1 0 7', 'fd00::/64  0 256']))
    expect(routes.filter((route) => route.startsWith('2001:db8:8:')).sort()).toEqual([
      '2001:db8:8::/48 fd00::3 0 1024',
      '2001:db8:8::/48 fd00::4 0 1024',
    ])
    expect(routes.join()).not.toMatch(/2001:db8:(9|12):/)
    expect(warned).toHaveLength(1)
    for (const other of [
      ...['2001:db8:8::/48 (it has several ways', '2001:db8:9::/48 (prohibit)'],
      '2001:db8:12::/48 (it is for one source)',
    ])
      expect(warned[0]).toContain(other)
  })

  test('each interface with an address gets a tap of its MTU, and what one receives leaves by the other', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using attached = await attach()
    const { index, mac } = attached.facts.interfaces[0]!
    expect(attached.nics).toMatchObject([{ id: `nic${index}`, mac, mtu: 1400, vhosts: [] }])
    expect(pod.ip('-o link')).toMatch(new RegExp(`tap${index}_kata: .*UP.* mtu 1400`))
    expect(pod.ip(`-6 -o addr show dev tap${index}_kata`)).toBe('')
    expect(pod.run('tc', 'filter', 'show', 'dev', 'eth0', 'ingress')).toContain(
      `Redirect to device tap${index}_kata`,
    )
    expect(pod.run('tc', 'filter', 'show', 'dev', `tap${index}_kata`, 'ingress')).toContain(
      'Redirect to device eth0',
    )
  })

  test('an interface may have the largest MTU, which no tap has, and its largest packets arrive', async () => {
    using node = new TestNetns(fresh())
    pod.ip('link del eth0')
    pod.veth('eth0', 'outside', { mtu: 65_535, peer: node })
    pod.address('eth0', '10.1.0.2/24')
    node.address('outside', '10.1.0.1/24')
    using attached = await attach()
    const [{ index, mtu, mac }, { taps }] = [attached.facts.interfaces[0]!, attached.nics[0]!]
    expect([mtu, attached.nics[0]!.mtu]).toEqual([65_535, 65_535])
    expect(pod.ip('-o link')).toMatch(new RegExp(`tap${index}_kata: .*UP.* mtu 65521`))
    node.ip(`neigh add 10.1.0.2 lladdr ${mac} dev outside`)
    const send = `exec 3<>/dev/udp/10.1.0.2/9; head -c 65507 /dev/zero | dd bs=65507 iflag=fullblock >&3`
    node.run('bash', '-c', send)
    const [headers, ipv4] = [24, 65_535]
    const lengths = (await packetsFrom(taps[0]!)).map(({ length }) => length)
    expect(Math.max(...lengths)).toBe(headers + ipv4)
  })

  test.skipIf(noNft !== '')(
    `packets pass the filters of the namespace, which a warning names${noNft}`,
    async () => {
      using node = new TestNetns(fresh())
      pod.ip('link del eth0')
      pod.veth('eth0', 'outside', { peer: node })
      pod.address('eth0', '10.1.0.2/24')
      node.address('outside', '10.1.0.1/24')
      const chains = ['prerouting', 'input', 'forward'].map(
        (hook) => `add chain inet mesh ${hook} { type filter hook ${hook} priority 0; policy drop; }`,
      )
      pod.run('nft', ['add table inet mesh', ...chains].join('; '))
      const warned: string[] = []
      const log = createLogger({ sink: ({ message, fields }) => warned.push(`${message}: ${fields.tables}`) })
      using attached = await attach({ log })
      expect(warned).toEqual([
        'packet filters of the pod’s network namespace do not hold for its machine: inet mesh',
      ])
      node.ip(`neigh add 10.1.0.2 lladdr ${attached.facts.interfaces[0]!.mac} dev outside`)
      node.run('bash', '-c', `echo ${payload.replaceAll(' ', '-')} > /dev/udp/10.1.0.2/9`)
      expect(await received(attached.nics[0]!.taps[0]!)).toContain(payload.replaceAll(' ', '-'))
    },
  )

  test('a tap has a name that the kernel takes, and no other has, however high the number of the interface is', async () => {
    pod.ip('link del eth0')
    // In the digits of the highest ones, 123456 is another number.
    const indexes = [123_456, 9_999_999, 10_000_000, Number.parseInt('123456', 36), 2 ** 31 - 1]
    for (const [at, index] of indexes.entries()) {
      pod.ip(`link add index ${index} net${at} type veth peer name peer${at}`)
      pod.address(`net${at}`, `10.2.${at}.2/24`)
    }
    using attached = await attach()
    const names = attached.fresh.map(tapName)
    expect(attached.fresh.map(({ index }) => index).sort()).toEqual([...indexes].sort())
    expect(new Set(names).size).toBe(indexes.length)
    for (const name of names) expect(pod.ip('-o link')).toContain(` ${name}: `)
  })

  test('localhost leads to the machine by the first interface, and nobody but the namespace itself can use that', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using attached = await attach()
    const { index, mac, peer } = attached.facts.localhost!
    const tap = `tap${index}_kata`
    expect(loopback()).toEqual(['169.254.255.1/32'])
    expect(pod.ip('route get 127.0.0.1')).toMatch(new RegExp(`127.0.0.1 dev ${tap} src 169.254.255.1`))
    expect(pod.ip(`neigh show dev ${tap}`)).toContain(`127.0.0.1 lladdr ${attached.nics[0]!.mac} PERMANENT`)
    expect(pod.ip(`link show ${tap}`)).toContain(mac)
    // The exceptions stand before the redirection: localhost from the network ends in the namespace, which drops it.
    const filters = (link: string) => pod.run('tc', 'filter', 'show', 'dev', link, 'ingress')
    expect(filters('eth0')).toMatch(
      /pref 1 u32[\s\S]*match 7f000000\/ff000000 at 16[\s\S]*match 00008100\/0000ffff at -4[\s\S]*pref 2 u32[\s\S]*Redirect to device tap/,
    )
    expect(filters(tap)).toMatch(
      /pref 1 u32[\s\S]*match a9feff01\/ffffffff at 16[\s\S]*match 7f000001\/ffffffff at 12[\s\S]*pref 2 u32[\s\S]*Redirect to device eth0/,
    )
    pod.veth('net1', fresh())
    pod.address('net1', '10.2.0.2/24')
    const known = new Set(attached.fresh.map(({ index }) => index))
    using later = await attach({ known, localhost: attached.facts.localhost })
    expect(later.facts.localhost).toEqual({ index, mac, peer })
    expect(filters('net1')).not.toContain('7f000000')
  })

  test('what answers the namespace comes from the machine’s localhost, and the namespace looks for no neighbour otherwise', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using attached = await attach()
    const [tap] = attached.nics[0]!.taps
    const { mac } = attached.facts.localhost!
    const [peer, neighbour] = ['169.254.255.1', '10.1.0.77']
    const answered = async (from: string) => {
      writeSync(tap!, echo(mac, from, peer))
      return (await received(tap!)).includes(payload)
    }
    expect(await answered('127.0.0.1')).toBe(true)
    expect(await answered(neighbour)).toBe(false)
    expect(pod.ip('neigh show dev eth0')).not.toContain(neighbour)
  })

  test('what a neighbour sends to localhost does not reach the machine, behind however many tags', async () => {
    // Not on this host: where frames of bridges go through its packet filter, a firewall would drop these.
    using node = new TestNetns(fresh())
    pod.ip('link del eth0')
    pod.veth('eth0', 'outside', { peer: node })
    pod.address('eth0', '10.1.0.2/24')
    node.ip('link add bridge type bridge')
    const source = node.inside(() => openTap('neighbour', 1)[0]!)
    try {
      for (const link of ['outside', 'neighbour']) node.ip(`link set ${link} master bridge`)
      for (const link of ['bridge', 'neighbour']) node.ip(`link set ${link} up`)
      using attached = await attach()
      const { taps, mac } = attached.nics[0]!
      const arrives = async (to: string, tags: number) => {
        writeSync(source, frame(mac, to, tags))
        return (await received(taps[0]!)).includes(payload)
      }
      // A bridge lets frames through once it has noticed its links.
      for (let tries = 0; !(await arrives('10.1.0.2', 0)); tries++) expect(tries).toBeLessThan(100)
      for (const tags of [0, 1, 2, 3]) {
        expect({ tags, arrives: await arrives('127.0.0.1', tags) }).toEqual({ tags, arrives: false })
        // With two tags of no meaning nothing gets through.
        expect({ tags, arrives: await arrives('10.1.0.2', tags) }).toEqual({ tags, arrives: tags < 2 })
      }
    } finally {
      closeSync(source)
    }
  })

  test('is as it was before once the ledger is released, by whoever reads it from disk', async () => {
    pod.address('eth0', '10.1.0.2/24')
    const state = () => [
      pod.ip('-o link'),
      queues(),
      loopback(),
      // The kernel adds the link's own IPv6 address after its search for duplicates, which is in the midst of the test.
      pod
        .ip('route show table all')
        .replace(/ (proto|src).*/g, '')
        .replace(/^.* fe80:.*\n/gm, ''),
    ]
    const before = state()
    const nothingStaysOpen = watchOpenFiles()
    ;(await attach()).close()
    await nothingStaysOpen()
    expect(queues()).not.toBe(before[1]!)
    await openLedger().releaseAll()
    expect(state()).toEqual(before)
    await openLedger().releaseAll()
  })

  test('a tap that somebody still holds open is taken away all the same', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using attached = await attach()
    await openLedger().releaseAll()
    expect(pod.ip('-o link')).not.toContain('_kata')
    expect(attached.nics.length).toBe(1)
  })

  test('one that is gone, or another one by now, has nothing to release', async () => {
    pod.address('eth0', '10.1.0.2/24')
    ;(await attach()).close()
    pod[Symbol.dispose]()
    pod = new TestNetns(pod.name)
    pod.veth('eth0', fresh())
    pod.run('tc', 'qdisc', 'add', 'dev', 'eth0', 'ingress')
    await openLedger().releaseAll()
    expect(queues()).toContain('ingress')
    pod[Symbol.dispose]()
    await openLedger().releaseAll()
  })

  test('interfaces that are known already are left alone, new ones are not', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using first = await attach()
    pod.veth('net1', fresh())
    pod.ip('addr flush dev net1')
    using none = await attach({ known: new Set(first.fresh.map(({ index }) => index)) })
    expect(none.nics).toEqual([])
    pod.address('net1', '10.2.0.2/24')
    using second = await attach({ known: new Set(first.fresh.map(({ index }) => index)) })
    expect(second.fresh.map(({ name }) => name)).toEqual(['net1'])
    expect(second.facts.interfaces.map(({ name }) => name)).toEqual(['eth0', 'net1'])
  })

  test.each(['clsact', 'ingress'])(
    'an ingress queue of somebody else (%s) is not touched: the start fails and leaves nothing open',
    async (kind) => {
      pod.address('eth0', '10.1.0.2/24')
      pod.run('tc', 'qdisc', 'add', 'dev', 'eth0', kind)
      const nothingStaysOpen = watchOpenFiles()
      await expect(attach()).rejects.toThrow(/^\[NETWORK_REDIRECT_FAILED\] interface eth0 .*EEXIST/)
      await nothingStaysOpen()
      expect(pod.ip('-o link')).not.toContain('_kata')
      expect(queues()).toContain(kind)
    },
  )

  test('when a later interface fails, the earlier ones are as before, and a second try gets them all', async () => {
    pod.address('eth0', '10.1.0.2/24')
    pod.veth('net1', fresh())
    pod.address('net1', '10.2.0.2/24')
    pod.run('tc', 'qdisc', 'add', 'dev', 'net1', 'ingress')
    const before = [pod.ip('-o link'), queues(), loopback()]
    const nothingStaysOpen = watchOpenFiles()
    await expect(attach()).rejects.toThrow(/^\[NETWORK_REDIRECT_FAILED\] interface net1 .*EEXIST/)
    await nothingStaysOpen()
    expect(ledger.held).toEqual([])
    expect([pod.ip('-o link'), queues(), loopback()]).toEqual(before)
    pod.run('tc', 'qdisc', 'del', 'dev', 'net1', 'ingress')
    using attached = await attach()
    expect(attached.nics).toHaveLength(2)
  })

  test.skipIf(noNft !== '')(
    `without a way to Docker’s name server the start fails and leaves nothing open${noNft}`,
    async () => {
      pod.address('eth0', '10.1.0.2/24')
      const program = `
        const hostname = '127.0.0.11'
        Bun.listen({ hostname, port: 0, socket: { data() {} } })
        await Bun.udpSocket({ hostname })
        console.log('up')`
      const inPod = ['ip', 'netns', 'exec', pod.name]
      await using server = Bun.spawn([...inPod, process.execPath, '-e', program])
      await server.stdout.getReader().read()
      // A chain of another type has the name.
      const other = 'chain ip kata-ts-dns prerouting { type filter hook prerouting priority 0; }'
      pod.run('nft', `add table ip kata-ts-dns; add ${other}`)
      const nothingStaysOpen = watchOpenFiles()
      const before = [queues(), loopback()]
      await expect(attach({ queues: 2 })).rejects.toThrow('[NETWORK_DNS_FAILED]')
      await nothingStaysOpen()
      expect([queues(), loopback()]).toEqual(before)
    },
  )

  test('one that another sandbox is connected to stays with that one', async () => {
    pod.address('eth0', '10.1.0.2/24')
    using first = await attach()
    const state = () => [
      pod.ip('-o link'),
      queues(),
      pod.run('tc', 'filter', 'show', 'dev', 'eth0', 'ingress').replace(/\(.*/g, ''),
      loopback(),
    ]
    const before = state()
    const path = join(directory, 'other')
    const other = new Ledger(path, [redirectResource], silentLogger)
    const again = attachNetwork(other, { netns: pod.path, queues: 1, vhost: false, log: silentLogger })
    await expect(again).rejects.toThrow(/^\[NETWORK_REDIRECT_FAILED\] interface eth0 .*tap\d+_kata/)
    expect(other.held).toEqual([])
    expect(state()).toEqual(before)
    expect(first.nics).toHaveLength(1)
  })

  test.each([
    ['is not there', ':'],
    ['has no driver', 'mknod /dev/net/tun c 10 254'],
  ])(
    'on a host whose /dev/net/tun %s the start fails by that name, and what others have there stays',
    (_, makeNode) => {
      pod.address('eth0', '10.1.0.2/24')
      pod.run('tc', 'qdisc', 'add', 'dev', 'eth0', 'ingress')
      const state = () => [pod.ip('-o link'), queues(), loopback()]
      const before = state()
      const options = { netns: pod.path, queues: 2, vhost: false }
      const program = `
        import { Ledger } from '${import.meta.dir}/../ledger/ledger.ts'
        import { silentLogger } from '${import.meta.dir}/../log.ts'
        import { attachNetwork } from '${import.meta.dir}/attach.ts'
        import { redirectResource } from '${import.meta.dir}/redirect.ts'
        const ledger = new Ledger('${directory}/ledger', [redirectResource], silentLogger)
        const attached = attachNetwork(ledger, { ...${JSON.stringify(options)}, log: silentLogger })
        const said = await attached.then(() => 'attached', ({ message }) => message)
        console.log(JSON.stringify({ said, held: ledger.held }))`
      const hidden = `mount -t tmpfs tmpfs /dev/net; ${makeNode}; exec "$@"`
      const argv = ['/bin/sh', '-ec', hidden, 'sh', process.execPath, '-e', program]
      expect(JSON.parse(command('unshare', '--mount', ...argv))).toEqual({
        said: expect.stringMatching(/^\[NETWORK_TUN_MISSING\] .*\/dev\/net\/tun/),
        held: [],
      })
      expect(state()).toEqual(before)
    },
  )

  test('a process without a descriptor to spare fails, and keeps none of the namespace', () => {
    const program = `
      import { closeSync, openSync } from 'node:fs'
      import { Ledger } from '${import.meta.dir}/../ledger/ledger.ts'
      import { openFiles } from '${import.meta.dir}/../linux/files/open-files.double.ts'
      import { silentLogger } from '${import.meta.dir}/../log.ts'
      import { attachNetwork } from '${import.meta.dir}/attach.ts'
      import { redirectResource } from '${import.meta.dir}/redirect.ts'
      const ledger = new Ledger('${directory}/ledger', [redirectResource], silentLogger)
      const options = { netns: '${pod.path}', queues: 1, vhost: false, log: silentLogger }
      const taken = []
      try {
        for (;;) taken.push(openSync('/dev/null'))
      } catch {}
      closeSync(taken.pop())
      const said = await attachNetwork(ledger, options).then(() => 'attached', ({ message }) => message)
      for (const fd of taken) closeSync(fd)
      console.log(JSON.stringify({ said, left: openFiles().filter((name) => name === options.netns) }))`
    const few = ['/bin/sh', '-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, '-e', program]
    expect(JSON.parse(command(...few))).toEqual({ said: expect.stringContaining('EMFILE'), left: [] })
  })

  test('two interfaces with one hardware address are refused by name', async () => {
    pod.address('eth0', '10.1.0.2/24')
    pod.veth('net1', fresh())
    pod.address('net1', '10.2.0.2/24')
    const mac = /link\/ether (\S+)/.exec(pod.ip('link show eth0'))![1]
    pod.ip(`link set net1 address ${mac}`)
    await expect(attach()).rejects.toThrow(
      `[NETWORK_INTERFACES_ALIKE] the interfaces eth0 and net1 of the pod have the same hardware address, ${mac}`,
    )
    expect(pod.ip('-o link')).not.toContain('_kata')
  })

  test('more interfaces than a machine has places for are refused with their number', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `more${index}`)
    pod.address('eth0', '10.1.0.2/24')
    for (const [index, name] of names.entries()) {
      pod.ip(`link add ${name} type veth peer name peer${index}`)
      pod.address(name, `10.2.${index}.2/24`)
    }
    await expect(attach()).rejects.toMatchObject({
      code: 'NETWORK_TOO_MANY',
      fields: { count: 9, most: 8 },
      remedy: 'Give the pod fewer networks.',
    })
    expect(pod.ip('-o link')).not.toContain('_kata')
  })

  test('a tunnel is refused by name, a namespace without addresses is no network', async () => {
    pod.ip('addr flush dev eth0')
    using empty = await attach()
    expect(empty.nics).toEqual([])
    pod.ip('tuntap add dev tun9 mode tun')
    pod.ip('link set tun9 up')
    pod.ip('addr add 10.9.0.1/24 dev tun9')
    await expect(attach()).rejects.toThrow(
      '[NETWORK_INTERFACE_UNSUPPORTED] interface tun9 of the pod is of kind tun',
    )
  })

  test('whether a host can do all that is tried out, and nothing of the trial is left', async () => {
    // The kernel takes the links of a namespace that is gone away in its own time, so fewer than before is no difference. Nor are names that
    // tests beside this one give.
    const all = () => [...namesIn('-o link', ': ', 1), ...namesIn('netns list', ' ', 0)]
    const there = () => all().filter((name) => !/^kt[a-z]?\d/.test(name))
    const [before, nothingStaysOpen] = [there(), watchOpenFiles()]
    probeNetwork()
    expect(there().filter((name) => !before.includes(name))).toEqual([])
    await nothingStaysOpen()
  })

  test('the host’s own, a file and nothing at all are refused', async () => {
    await expect(attach({ netns: '/proc/self/ns/net' })).rejects.toThrow('[NETNS_HOST]')
    await expect(attach({ netns: '/etc/passwd' })).rejects.toThrow(/^\[NETNS_INVALID\].*EINVAL/)
    await expect(attach({ netns: '/proc/self/ns/uts' })).rejects.toThrow(/^\[NETNS_INVALID\].*EINVAL/)
    await expect(attach({ netns: '/run/netns/none' })).rejects.toThrow(/^\[NETNS_INVALID\].*ENOENT/)
  })
})
