import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Loop } from '../devices/loop.ts'
import { loadOnHost } from '../system/on-host.double.ts'
import type { OomEvents } from './oom.ts'

const top = mkdtempSync(join(tmpdir(), 'oom-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module } = await loadOnHost<typeof import('./oom.ts')>('container/oom.ts', join(top, 'share'))

let events: OomEvents
let watched: Set<number>
beforeEach(() => {
  watched = new Set()
  const watch: Loop['watch'] = (fd) => void watched.add(fd)
  const forget: Loop['forget'] = (fd) => void watched.delete(fd)
  events = module.createOomEvents({ watch, forget } as Loop)
})

/** The container `id`, for which the kernel counts kills. A limit that was reached alone kills nobody. */
function container(id: string) {
  const directory = join(top, id)
  mkdirSync(directory, { recursive: true })
  const kills = (count: number) => writeFileSync(`${directory}/memory.events`, `oom 9\noom_kill ${count}\n`)
  kills(0)
  return { kills, watch: events.watch(id, { path: `/${id}`, directory }) }
}

/** What the host would be told now; `none` when it would wait. */
async function told(): Promise<string | undefined> {
  const cancels: (() => void)[] = []
  const next = events.next({ onCancel: (handler) => void cancels.push(handler) })
  for (const cancel of cancels) cancel()
  return (await next) ?? 'none'
}

test('each kill is told once, and no other look tells one', async () => {
  const { kills, watch } = container('c')
  watch.look()
  expect(await told()).toBe('none')
  kills(1)
  watch.look()
  watch.look()
  expect(await told()).toBe('c')
  watch.look()
  expect(await told()).toBe('none')
  kills(2)
  watch.look()
  expect(await told()).toBe('c')
})

test('each event goes to one call that waits, and to none that was cancelled', async () => {
  const { kills, watch } = container('c')
  expect(await told()).toBe('none')
  const [one, two] = [1, 2].map(() => events.next({ onCancel: () => {} }))
  for (const count of [1, 2, 3]) {
    kills(count)
    watch.look()
  }
  expect(await Promise.all([one, two, told()])).toEqual(['c', 'c', 'c'])
})

test('a host that collects nothing is told of each container once, and of the last 64', async () => {
  for (let number = 0; number < 66; number++) {
    const { kills, watch } = container(`c${number}`)
    for (const count of [1, 2]) {
      kills(count)
      watch.look()
    }
  }
  const all: unknown[] = []
  for (let id = await told(); id !== 'none'; id = await told()) all.push(id)
  expect(all).toEqual(Array.from({ length: 64 }, (_, number) => `c${number + 2}`))
})

test('the last look is at the end of the container, of which nothing stays open', async () => {
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  const { kills, watch } = container('c')
  expect([open() - before, watched.size]).toEqual([1, 1])
  kills(1)
  watch.stop()
  expect([open() - before, watched.size]).toEqual([0, 0])
  expect(await told()).toBe('c')
})
