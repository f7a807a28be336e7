/** A first, cold measurement counts in none of these benchmarks. */
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { benchAccounts } from './accounts.ts'
import { measureWay } from './disk.ts'
import type { Host } from './host.ts'

test('the first account of each mode is not counted', async () => {
  const seen = new Set<string>()
  const { data } = await benchAccounts(async (mode) => {
    const made = seen.has(mode) ? 1 : 1000
    seen.add(mode)
    return { made, removed: 1, failed: 0 }
  })
  expect(Object.keys(data)).toHaveLength(12)
  for (const cell of Object.values(data)) expect(cell).toMatchObject({ made: 1 })
})

test('the first turn of a disk is not counted', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bench-disk-'))
  let measured = 0
  const host: Pick<Host, 'must' | 'stateDir'> = {
    stateDir: directory,
    async must([name]) {
      // Read, write and small reads of the first turn take a hundred seconds each.
      const seconds = name === 'exec' && measured++ < 3 ? 100 : 1
      const stderr = `0 ${seconds}\n`
      return { code: 0, stderr, tail: '', bytes: 0, firstByteMs: 0, totalMs: 0, streamMs: 0, startedAt: 0 }
    },
  }
  const way = { label: 'one', settings: {}, flags: () => [], path: '/dev/xvda' }
  try {
    expect(await measureWay(host, way, '/image', 1)).toEqual({ read: 64, write: 64, smallReads: 1000 })
    expect(measured).toBe(6)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
