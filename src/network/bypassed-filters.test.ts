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

  for (const tool of ['iptables-legacy', 'ip6tables-legacy'])
    test.skipIf(Bun.which(tool) === null)(
      `a table of ${tool} counts once it has a rule, chain or policy`,
      () => {
        const family = tool.startsWith('ip6') ? 'ip6' : 'ip'
        const named = (table: string) => [[expect.any(String), { tables: `${family} ${table} (legacy)` }]]
        using netns = new TestNetns(`kl${family}${process.pid}`)
        const change = (...words: string[]) => netns.run(tool, ...words)
        // A look at a table makes it; before Linux 5.15 every new namespace has it.
        for (const table of ['filter', 'nat', 'mangle', 'raw']) change('-t', table, '-S')
        expect(warned(netns)).toEqual([])
        for (const [table, made, undone] of [
          ['nat', ['-A', 'PREROUTING', '-j', 'ACCEPT'], ['-F']],
          ['raw', ['-N', 'MESH'], ['-X']],
          ['filter', ['-P', 'FORWARD', 'DROP'], ['-P', 'FORWARD', 'ACCEPT']],
        ] as const) {
          change('-t', table, ...made)
          expect(warned(netns)).toEqual(named(table))
          change('-t', table, ...undone)
          expect(warned(netns)).toEqual([])
        }
      },
    )

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
