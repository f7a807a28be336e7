import { expect, test } from 'bun:test'
import { type Ended, nextPause, type RestartPolicy, startsAtBoot, untilStart } from './restart-policy.ts'

const policy = (name: RestartPolicy['name'], most = 0): RestartPolicy => ({ name, most })
const ended = (changes: Partial<Ended>): Ended => ({
  policy: policy('always'),
  exitCode: 1,
  ranMs: 50,
  restarts: 0,
  pauseMs: 0,
  stopWanted: false,
  ...changes,
})

test('pauses double from 100 ms to a minute, and begin anew after a run of ten seconds', () => {
  const pauses: number[] = []
  for (let pauseMs = 0; pauses.length < 12; pauses.push(pauseMs)) pauseMs = nextPause(ended({ pauseMs }))!
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000])
  expect(nextPause(ended({ pauseMs: 60_000, ranMs: 10_000 }))).toBe(100)
})

test('a noted start is waited for until its time, and after a clock that was set back no longer than a minute', () => {
  const at = '2026-01-01T00:01:00.000Z'
  const wait = (now: string) => untilStart(at, Date.parse(now))
  expect(wait('2026-01-01T00:00:30.000Z')).toBe(30_000)
  expect(wait('2026-01-01T00:02:00.000Z')).toBe(0)
  expect(wait('2025-06-01T00:00:00.000Z')).toBe(60_000)
})

test('on-failure starts a container again that failed, and no more often than it may', () => {
  const onFailure = { policy: policy('on-failure', 2) }
  expect(nextPause(ended({ ...onFailure, exitCode: 0 }))).toBeUndefined()
  expect(nextPause(ended({ ...onFailure, restarts: 1 }))).toBe(100)
  expect(nextPause(ended({ ...onFailure, restarts: 2 }))).toBeUndefined()
  expect(nextPause(ended({ policy: policy('on-failure'), restarts: 1000 }))).toBe(100)
})

test('always and unless-stopped do so whatever the exit code, unless a person ended it', () => {
  for (const name of ['always', 'unless-stopped'] as const) {
    expect(nextPause(ended({ policy: policy(name), exitCode: 0 }))).toBe(100)
    expect(nextPause(ended({ policy: policy(name), stopWanted: true }))).toBeUndefined()
  }
  expect(nextPause(ended({ policy: policy('no') }))).toBeUndefined()
  expect(nextPause(ended({ policy: undefined }))).toBeUndefined()
})

test('at a boot of the host, a person’s stop counts for unless-stopped alone', () => {
  expect(startsAtBoot(policy('always'), true)).toBe(true)
  expect(startsAtBoot(policy('unless-stopped'), false)).toBe(true)
  expect(startsAtBoot(policy('unless-stopped'), true)).toBe(false)
  expect(startsAtBoot(policy('on-failure'), false)).toBe(false)
  expect(startsAtBoot(undefined, false)).toBe(false)
})
