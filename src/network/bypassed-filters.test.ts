import { describe, expect, test } from 'bun:test'
import type { Logger } from '../log.ts'
import { bypassedTables, warnOfFilters } from './bypassed-filters.ts'
import { noNetns, TestNetns } from './testing.ts'

const chain = (table: string, name: string, isBase: boolean) => ({ table, name, isBase })

test('a table counts once, if packets come to it', () => {
  expect(bypassedTables([])).toEqual([])
  expect(bypassedTables([chain('ip raw', 'called', false)])).toEqual([])
  const chains = [
    chain('ip nat', 'OUTPUT', true),
    chain('ip nat', 'PREROUTING', true),
    chain('ip nat', 'ISTIO_OUTPUT', false),
    chain('inet filter', 'input', true),
  ]
  expect(bypassedTables(chains)).toEqual(['inet filter', 'ip nat'])
})

test('the table of Docker’s name server does not count, unless another program uses it, too', () => {
  const dockers = [
    chain('ip nat', 'OUTPUT', true),
    chain('ip nat', 'POSTROUTING', true),
    chain('ip nat', 'DOCKER_OUTPUT', false),
    chain('ip nat', 'DOCKER_POSTROUTING', false),
  ]
  expect(bypassedTables(dockers)).toEqual([])
  expect(bypassedTables([...dockers, chain('ip nat', 'ISTIO_OUTPUT', false)])).toEqual(['ip nat'])
})

const missing = noNetns() ?? (Bun.which('nft') === null ? 'nft is not installed' : undefined)
describe.skipIf(missing !== undefined)(`in a namespace${missing ? ` (skipped: ${missing})` : ''}`, () => {
  function warned(netns: TestNetns): unknown[] {
    const lines: unknown[] = []
    const log = { warn: (...line: unknown[]) => lines.push(line) } as unknown as Logger
    netns.inside(() => warnOfFilters(log))
    return lines
  }

  test('a warning names its tables', () => {
    using netns = new TestNetns(`kf${process.pid}`)
    expect(warned(netns)).toEqual([])
    const rules = 'add table ip mesh; add chain ip mesh out { type nat hook output priority -100; }'
    netns.run(
      'nft',
      `${rules}; add chain ip mesh called; add rule ip mesh out tcp dport 80 redirect to :15001`,
    )
    expect(warned(netns)).toEqual([
      ['packet filters of the pod’s network namespace do not hold for its machine', { tables: 'ip mesh' }],
    ])
  })
})
