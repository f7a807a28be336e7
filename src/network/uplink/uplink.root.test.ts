/** What a container reaches by its network, and who reaches it: in namespaces that stand for the host and for what is outside. */
import { describe, expect, test } from 'bun:test'
import { noHost, onHost } from './test-host.ts'

describe.skipIf(noHost !== undefined)('a container’s own network', () => {
  test('leads outside and not to the host, its ports lead in, and nothing of it is left', () => {
    const { reached, unclosed, left } = JSON.parse(onHost(`${import.meta.dir}/uplink.host.ts`))
    expect(reached).toEqual({
      outside: 'outside 203.0.113.2',
      name: '198.51.100.1',
      // From the host itself there is an answer.
      'the host, from itself': 'host 203.0.113.2',
      'metadata, from the host': 'outside 203.0.113.2',
      'published, on localhost': 'container 169.254.2.2',
      'published, from outside': 'container 203.0.113.1',
    })
    expect(unclosed).toBe(0)
    expect(left).toEqual({ processes: [], tables: '' })
  }, 120_000)

  test('that allows some names refuses everything else', () => {
    // What is not named here had no answer; beside an attack stands the same from the host, which has one.
    expect(JSON.parse(onHost(`${import.meta.dir}/allow.host.ts`))).toEqual({
      before: { 'the same, from the host': 'outside 203.0.113.2' },
      looked: {
        ...{ good: '198.51.100.1', port: '198.51.100.2' },
        ...{ 'first of rebind': '198.51.100.3', host: '203.0.113.2' },
        'bad, by another name server, from the host': '198.51.100.2',
      },
      reached: {
        ...{ good: 'outside 203.0.113.2', short: 'outside 203.0.113.2' },
        ...{ 'allowed port': 'at-8443 203.0.113.2', 'allowed address': 'at-8443 203.0.113.2' },
        ...{ 'bad, from the host': 'outside 203.0.113.2', 'UDP 443, from the host': 'udp hi' },
        'an address of IPv6': '',
      },
      later: { 'after its time, from the host': 'outside 203.0.113.2' },
      again: 'outside 203.0.113.2',
    })
  }, 120_000)
})
