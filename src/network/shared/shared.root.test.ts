/** What containers on shared networks reach, in namespaces that stand for the host and for what is outside. */
import { describe, expect, test } from 'bun:test'
import { noIpv6 } from '../testing.ts'
import { noHost, onHost } from '../uplink/test-host.ts'

describe.skipIf(noHost !== undefined)('networks that containers share', () => {
  test.skipIf(noIpv6 !== '')(
    `lead to each other by address and name, outside, and neither to the host nor to another network${noIpv6}`,
    () => {
      // What is not named here had no answer; beside each attack stands the same from a place that may.
      expect(JSON.parse(onHost(`${import.meta.dir}/shared.host.ts`))).toEqual({
        reached: {
          'by address': 'db 10.89.0.2',
          'the other way': 'web 10.89.0.3',
          'by name': '10.89.0.3',
          'by a name in capitals': '10.89.0.3',
          'a name of both': expect.stringMatching(/^10\.89\.0\.[23]$/),
          'a name outside': '198.51.100.1',
          outside: 'outside 203.0.113.2',
          'host, from itself': 'host 203.0.113.2',
          'published, on localhost': 'web 169.254.2.2',
          'within the internal network': 'near 10.89.1.2',
          'a name within it': '10.89.1.3',
        },
        reached6: {
          'by address': 'db fd5e:9c41:7ab0::a59:2',
          'the other way': 'web fd5e:9c41:7ab0::a59:3',
          'by name': 'fd5e:9c41:7ab0::a59:3',
          outside: 'outside 2001:db8::2',
          'host, from itself': 'host 2001:db8::2',
          'published, on localhost': 'web fd5e:9c41:7ab0:1::3',
          'within the internal network': 'near fd5e:9c41:7ab0::a59:102',
        },
        names: {
          'of an address': 'db',
          'of an IPv6 address': 'db',
          'of an address, within the internal network': 'near',
        },
        spoofed: { 'with its own address': 'web 10.89.0.3' },
        spoofed6: { 'with its own address': 'web fd5e:9c41:7ab0::a59:3' },
        claimed: {
          'of the gateway': 'as before',
          'of the gateway, as the gateway': 'as before',
          'of the gateway’s address on the link': 'as before',
          'of itself': 'believed',
          'of itself, on the link': 'believed',
        },
        memory: { neighbours: [], cards: [] },
        held: 2,
        later: { 'a name of the other alone': '10.89.0.3' },
        after: { 'once it runs again': 'web 10.89.0.3' },
        same: true,
        open: 0o755,
        left: { processes: [], tables: '', directory: false },
      })
    },
    300_000,
  )
})
