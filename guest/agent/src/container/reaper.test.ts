import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Loop } from '../devices/loop.ts'
import { loadOnHost } from '../system/on-host.double.ts'
import type { Reaper } from './reaper.ts'

const top = mkdtempSync(join(tmpdir(), 'reaper-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, ended } = await loadOnHost<typeof import('./reaper.ts')>(
  'container/reaper.ts',
  join(top, 'share'),
)

let reaper: Reaper
let look: () => void
beforeEach(() => {
  const watch: Loop['watch'] = (_fd, _mask, handler) => {
    look = () => handler(0)
  }
  reaper = module.createReaper({ watch } as Loop)
})

function end(pid: number, code: number): void {
  ended.push([pid, code])
  look()
}

/** An adoption that goes on until `claim` is called. */
function adoption() {
  const { promise, resolve } = Promise.withResolvers<number>()
  const code = reaper.adopting(async (claim) => ({ code: claim(await promise) })).then(({ code }) => code)
  return { code, claim: resolve }
}

test('a process has the exit code that it ended with before its number was known, or after', async () => {
  const { code, claim } = adoption()
  end(7, 3)
  claim(7)
  expect(await code).toBe(3)
  const other = adoption()
  other.claim(8)
  await Bun.sleep(0)
  end(8, 4)
  expect(await other.code).toBe(4)
})

test('an end from before an adoption is that of another process, though other adoptions began earlier', async () => {
  const long = adoption()
  end(7, 3)
  const { code, claim } = adoption()
  claim(7)
  await Bun.sleep(0)
  end(7, 0)
  expect(await code).toBe(0)
  long.claim(9)
  await Bun.sleep(0)
  end(9, 5)
  expect(await long.code).toBe(5)
})

test('a number that was another’s since belongs to nobody who ended before', async () => {
  const { code, claim } = adoption()
  end(7, 3)
  // It is used again by a command of the agent's.
  const command = reaper.exitOf(7)
  end(7, 0)
  expect(await command).toBe(0)
  // And once more.
  claim(7)
  await Bun.sleep(0)
  end(7, 9)
  expect(await code).toBe(9)
})
