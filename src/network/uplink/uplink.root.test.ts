/** What a container reaches by its network, and who reaches it: in namespaces that stand for the host and for what is outside. */
import { describe, expect, test } from 'bun:test'
import { noIpv6 } from '../testing.ts'
import { hostProgram, noHost, onHost } from './test-host.ts'

describe.skipIf(noHost !== undefined)('a container’s own network', () => {
  test.skipIf(noIpv6 !== '')(
    `leads outside and not to the host, its ports lead in, and nothing of it is left${noIpv6}`,
    () => {
      const { first, reached, metadata, ipv6, neighbours, users, unclosed, taken, reserved, left } =
        JSON.parse(onHost(`${import.meta.dir}/uplink.host.ts`))
      expect(first).toBe('container fd5e:9c41:7ab0:1::3')
      expect(reached).toEqual({
        outside: 'outside 203.0.113.2',
        name: '198.51.100.1',
        // From the host itself there is an answer.
        'the host, from itself': 'host 203.0.113.2',
        'published, on localhost': 'container 169.254.2.2',
        'published, from outside': 'container 203.0.113.1',
      })
      expect(ipv6).toEqual({
        outside: 'outside 2001:db8::2',
        'the host, from itself': 'host 2001:db8::2',
        'the host as a router, from itself': 'udp hi',
        'the host, from outside': 'host 2001:db8::1',
        'published, on localhost': 'container fd5e:9c41:7ab0:1::3',
        'published by IPv4': 'container 203.0.113.1',
        'published by IPv6': 'container 2001:db8::1',
        'published, on the host': 'container 2001:db8::2',
        'published, from outside': 'container 2001:db8::1',
      })
      // The kernel has room for a thousand, of all namespaces together.
      expect(neighbours).toEqual([])
      // EHOSTUNREACH and EACCES are what the kernel makes of "administratively prohibited".
      const [closed, closed6] = ['No route to host', 'Permission denied']
      const beside = ['beside Alibaba’s', 'beside Google’s']
      expect(Object.keys(metadata.container)).toEqual(beside)
      expect(Object.keys(metadata.host)).toEqual(Object.keys(metadata.other))
      expect(new Set(Object.values(metadata.other))).toEqual(new Set(['connected']))
      for (const [name, answer] of Object.entries(metadata.network))
        expect([name, answer]).toEqual([
          name,
          beside.includes(name) ? 'connected' : name.endsWith('6') ? closed6 : closed,
        ])
      expect(users.network).toEqual({
        '203.0.113.2': closed,
        '127.0.0.1': closed,
        '2001:db8::2': closed6,
        '2001:db8:77::77': closed6,
        '::1': closed6,
      })
      // The kernel sends no refusal to a link-local address: there the network's user has no answer at all.
      expect(Object.keys(users.other)).toEqual([...Object.keys(users.network), 'link-local'])
      expect(new Set(Object.values(users.other))).toEqual(new Set(['connected']))
      expect(unclosed).toBe(0)
      for (const port of [8083, 8084])
        expect(taken[port]).toMatch(new RegExp(`NETWORK_START_FAILED.*${port} .Address already in use`))
      expect(reserved).toEqual({
        before: expect.stringContaining('[NETWORK_PORT_RESERVED] port 443 of the host'),
        after: expect.stringContaining('low '),
      })
      expect(left).toEqual({ processes: [], tables: '' })
    },
    180_000,
  )

  test.skipIf(noIpv6 !== '')(
    `that allows some names refuses everything else${noIpv6}`,
    () => {
      // What is not named here had no answer; beside an attack stands the same from the host, which has one.
      expect(JSON.parse(onHost(`${import.meta.dir}/allow.host.ts`))).toEqual({
        // There are two or three, a name server among them.
        scores: { own: 300, network: [0] },
        before: { 'the same, from the host': 'outside 203.0.113.2' },
        looked: {
          good: '198.51.100.1',
          port: '198.51.100.2',
          'first of rebind': '198.51.100.3',
          host: '203.0.113.2',
          'bad, by another name server, from the host': '198.51.100.2',
          'cloud, from the host': '168.63.129.16',
        },
        reached: {
          good: 'outside 203.0.113.2',
          short: 'outside 203.0.113.2',
          'allowed port': 'at-8443 203.0.113.2',
          'allowed address': 'at-8443 203.0.113.2',
          'bad, from the host': 'outside 203.0.113.2',
          'UDP 443, from the host': 'udp hi',
          'metadata, from the host': 'outside 203.0.113.2',
        },
        later: { 'after its time, from the host': 'outside 203.0.113.2' },
        again: 'outside 203.0.113.2',
        before6: { 'the same, from the host': 'outside 2001:db8::2' },
        looked6: {
          good: '2001:db8:1::1',
          port: '2001:db8:1::2',
          'first of rebind': '2001:db8:1::3',
          host: '2001:db8::2',
          'cloud, from the host': 'fd00:ec2::254',
        },
        reached6: {
          good: 'outside 2001:db8::2',
          'allowed port': 'at-8443 2001:db8::2',
          'allowed address': 'at-8443 2001:db8::2',
          'bad, from the host': 'outside 2001:db8::2',
          'UDP 443, from the host': 'udp hi',
          'metadata, from the host': 'outside 2001:db8::2',
        },
      })
    },
    180_000,
  )

  test('is the same on a host without any network, and leads nowhere', () => {
    expect(JSON.parse(onHost(`${import.meta.dir}/no-network.host.ts`))).toEqual({
      reached: { 'its own localhost': 'container 127.0.0.1', published: 'container 169.254.2.2' },
      address: 'inet 10.88.0.2/30',
      route: 'default via 10.88.0.1 dev eth0',
    })
  }, 60_000)

  test('is made where the host’s sh is bash', () => {
    using program = hostProgram(`${import.meta.dir}/no-network.host.ts`)
    const other = `mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir upper work; ln -s bash upper/sh
      mount -t overlay -o lowerdir=/usr/bin,upperdir=upper,workdir=work overlay /usr/bin; exec "$@"`
    const { stdout, stderr } = Bun.spawnSync([
      'unshare',
      '--mount',
      'sh',
      '-ec',
      other,
      'sh',
      ...program.argv,
    ])
    expect(stderr.toString()).toBe('')
    expect(JSON.parse(stdout.toString())).toMatchObject({ address: 'inet 10.88.0.2/30' })
  }, 60_000)

  test.skipIf(noIpv6 !== '')(
    `has IPv6 for its neighbours alone on a host where it leads nowhere, and none on a host without it${noIpv6}`,
    () => {
      const reached = {
        outside: 'outside 203.0.113.2',
        published: 'container 203.0.113.1',
        'published, on localhost': 'container 169.254.2.2',
      }
      expect(JSON.parse(onHost(`${import.meta.dir}/less-ipv6.host.ts`))).toEqual({
        nowhere: {
          reached: {
            ...reached,
            'host by IPv6, from itself': 'host 2001:db8:77::77',
          },
          addresses: ['inet6 fd5e:9c41:7ab0::a58:2/126'],
          refused: expect.stringContaining('[NETWORK_START_FAILED]'),
        },
        none: { reached, addresses: null, refused: expect.stringContaining('[NETWORK_START_FAILED]') },
      })
    },
    180_000,
  )

  test.skipIf(noIpv6 !== '')(
    `is carried by programs that open sockets of the internet and no others, neither to guests nor to programs of the host${noIpv6}`,
    () => {
      const [ENOSYS, EAFNOSUPPORT, ESOCKTNOSUPPORT] = [38, 97, 94]
      const none = ['vsock', 'unix', 'packet'].map((family) => `${family}=${EAFNOSUPPORT}`)
      // An end of a pair for datagrams could be connected to any socket.
      const pairs = ['streams=0', `datagrams=${ESOCKTNOSUPPORT}`]
      // pasta makes a user namespace for the gateway. In one of its own the name server would have all capabilities.
      const own = (namespace: number) =>
        [...none, 'inet=0', 'inet6=0', ...pairs, `namespace=${namespace}`, 'netlink=0'].join(' ')
      expect(JSON.parse(onHost(`${import.meta.dir}/sockets.host.ts`))).toEqual({
        pasta: own(0),
        resolver: own(ENOSYS),
      })
    },
    60_000,
  )

  test('may lead to thousands of names and addresses, and to nothing else', () => {
    expect(JSON.parse(onHost(`${import.meta.dir}/many-allowed.host.ts`))).toEqual({
      address: 'outside 203.0.113.2',
      name: '198.51.100.3',
    })
  }, 60_000)

  test('that leads nowhere refuses questions for names, and lets nobody wait for an answer', () => {
    const refused = 'Connection refused'
    expect(JSON.parse(onHost(`${import.meta.dir}/deny-all.host.ts`))).toEqual({ tcp: refused, udp: refused })
  }, 60_000)

  test('has a bound of connections; those beyond it fail, and the others go on', () => {
    expect(JSON.parse(onHost(`${import.meta.dir}/connections.host.ts`))).toEqual({
      usual: { isBound: true, rounds: [200, 20] },
      few: { limit: '120:120', some: true, later: 20 },
    })
  }, 60_000)

  test('is looked after: rules that go come back, so does its name server, and pasta’s end is told', () => {
    const laidAgain =
      'rules that keep a container from the host had been removed or changed: they are laid again '
    expect(JSON.parse(onHost(`${import.meta.dir}/look-after.host.ts`))).toEqual({
      made: 'No route to host',
      flushed: 'connected',
      // By a connection that began in between nothing is said any more; by that of another user it is.
      heard: ['of-1'],
      after: { 'the whole filter': 'closed' },
      again: { 'one table': 'closed' },
      told: [laidAgain, laidAgain, 'the name server of a container has ended, and is started again '],
      names: { answered: '198.51.100.1', held: 1, another: true },
      end: [expect.stringContaining('[NETWORK_LOST] the container has lost its network: pasta has ended')],
      left: '',
    })
  }, 180_000)
})
