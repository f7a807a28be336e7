/** The main table of a guest, in a namespace that stands for it. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { openNetns } from '../linux/processes/netns.ts'
import { familyOf, parseIp, parsePrefix } from '../netlink/ip.ts'
import { listLinks } from '../netlink/link.ts'
import type { Route } from '../netlink/route.ts'
import { setRoutes, type WantedRoutes } from '../netlink/route-table.ts'
import { withClient } from './client.ts'
import { noIpv6, noNetns, TestNetns } from './testing.ts'

let guest: TestNetns
let serial = 0
/** The kernel may take its time to clear up: no name is used twice. */
const fresh = () => `kt${process.pid}g${++serial}`
const set = (wanted: WantedRoutes) => {
  const netns = openNetns(guest.path)
  try {
    withClient(netns, (client) => setRoutes(client, wanted))
  } finally {
    netns.close()
  }
}
const indexOf = (name: string) => {
  const netns = openNetns(guest.path)
  try {
    return withClient(netns, listLinks).find((link) => link.name === name)!.index
  } finally {
    netns.close()
  }
}

/** As it is told of a pod: `2001:db8::/32`, by a link, perhaps with a gateway. */
function route(to: string, link: string, { gateway = '', metric = 0 } = {}): Route {
  const destination = parsePrefix(to)!
  const by = gateway === '' ? {} : { gateway: parseIp(gateway)! }
  return {
    family: familyOf(destination.address),
    ...by,
    link: indexOf(link),
    protocol: 3,
    flags: 0,
    mtu: 0,
    metric,
    ...(destination.length === 0 ? {} : { destination }),
    scope: familyOf(destination.address) === 2 && gateway === '' ? 253 : 0,
  }
}

/** Gateways and links. */
const ways = (line: string) => [...guest.ip(line).matchAll(/(?:via (\S+) )?dev (\S+)/g)].map(([way]) => way)

describe.skipIf(noNetns() !== undefined)('routes', () => {
  beforeEach(() => {
    guest = new TestNetns(fresh())
    for (const [at, name] of ['eth0', 'net1'].entries()) {
      guest.veth(name, fresh())
      guest.address(name, `10.${at}.0.2/24`)
      if (noIpv6 === '') guest.address(name, `fd0${at}::2/64`)
    }
  })
  afterEach(() => guest[Symbol.dispose]())

  test.skipIf(noIpv6 !== '')(
    `to one place by several links are all there, as often as they are told${noIpv6}`,
    () => {
      const asked = [
        ...[route('2001:db8::/32', 'eth0', { metric: 7 }), route('2001:db8::/32', 'net1', { metric: 7 })],
        route('::/0', 'eth0', { gateway: 'fd00::1', metric: 1024 }),
        route('::/0', 'net1', { gateway: 'fd01::1', metric: 1024 }),
        ...[
          route('0.0.0.0/0', 'eth0', { gateway: '10.0.0.1' }),
          route('0.0.0.0/0', 'net1', { gateway: '10.1.0.1' }),
        ],
      ]
      for (const told of [asked, asked, asked.toReversed(), asked]) {
        set({ asked: told })
        expect(ways('-6 route show 2001:db8::/32').sort()).toEqual(['dev eth0', 'dev net1'])
        expect(ways('-6 route show default').sort()).toEqual(['via fd00::1 dev eth0', 'via fd01::1 dev net1'])
        expect(ways('route show default').sort()).toEqual(['via 10.0.0.1 dev eth0', 'via 10.1.0.1 dev net1'])
      }
      set({ asked: asked.filter(({ link }) => link === indexOf('net1')) })
      for (const line of ['-6 route show 2001:db8::/32', '-6 route show default', 'route show default'])
        expect(ways(line)).toEqual([expect.stringContaining('dev net1')])
    },
  )

  test('of IPv4 to one place are asked in the order in which they were told', () => {
    set({
      asked: ['net1', 'eth0'].map((link, at) => route('0.0.0.0/0', link, { gateway: `10.${1 - at}.0.1` })),
    })
    expect(ways('route show default')).toEqual(['via 10.1.0.1 dev net1', 'via 10.0.0.1 dev eth0'])
  })

  test('with another metric leave none with the former one', () => {
    for (const metric of [5, 6]) {
      set({ asked: [route('10.7.0.0/16', 'eth0', { metric })] })
      expect(guest.ip('route show 10.7.0.0/16')).toMatch(
        new RegExp(`^10\\.7\\.0\\.0/16 .*metric ${metric} ?\\n$`),
      )
    }
  })

  test('of the kernel stay unless it is told which of them there are', () => {
    set({ asked: [] })
    expect(ways('route show 10.0.0.0/24')).toEqual(['dev eth0'])
    set({ asked: [], made: [] })
    expect(guest.ip('route show')).toBe('')
  })
})
