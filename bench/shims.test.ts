import { expect, test } from 'bun:test'
import { report } from './shims.ts'

test('a row for each shim', () => {
  const kataTs = { rss: 2048, pss: 1024, private: 512 }
  const { tables } = report({ runc: { rss: 1024, pss: 512, private: 256 }, 'kata-ts': kataTs })
  expect(tables[0]!.rows).toEqual([
    ['runc', '1.0 MiB', '0.5 MiB', '0.3 MiB'],
    ['kata-ts', '2.0 MiB', '1.0 MiB', '0.5 MiB'],
  ])
})
