import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { holdStore, shareStore } from './store-lock.ts'
import { makeStore, storePaths } from './store-paths.ts'

const state = mkdtempSync(`${tmpdir()}/store-lock-`)
const paths = storePaths(state)
makeStore(paths)
afterAll(() => rmSync(state, { recursive: true }))

test('who removes something has its turn beside starts that follow each other without a gap', async () => {
  let isOver = false
  let starts = 0
  const startAgainAndAgain = async () => {
    while (!isOver) {
      using _shared = await shareStore(paths)
      starts++
      await Bun.sleep(10)
    }
  }
  const all = Promise.all(Array.from({ length: 3 }, startAgainAndAgain))
  try {
    using _held = await holdStore(paths, AbortSignal.timeout(2000))
    const before = starts
    await Bun.sleep(30)
    expect(starts).toBe(before)
  } finally {
    isOver = true
    await all
  }
})

test('starts go on beside one that waits for somebody who takes long', async () => {
  const slow = await shareStore(paths)
  const waiting = new AbortController()
  const removal = holdStore(paths, waiting.signal).catch((error) => error)
  using _start = await shareStore(paths, AbortSignal.timeout(20_000))
  waiting.abort(new Error('given up'))
  expect(String(await removal)).toContain('given up')
  slow[Symbol.dispose]()
})
