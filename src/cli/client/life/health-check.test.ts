import { expect, test } from 'bun:test'
import { readText } from '../../../json/document.ts'
import {
  afterProbe,
  type HealthCheck,
  readHealth,
  resultText,
  startingHealth,
  untilNextProbe,
} from './health-check.ts'

const check: HealthCheck = {
  command: ['true'],
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 60_000,
  startIntervalMs: 5000,
  retries: 2,
}
const result = (exitCode: number, output = '') => ({ start: 's', end: 'e', exitCode, output })

test('failures count once the start period is over, and so many in a row make it unhealthy', () => {
  const early = afterProbe(startingHealth, check, result(1), 1000)
  expect(early).toMatchObject({ status: 'starting', failingStreak: 0 })
  const once = afterProbe(early, check, result(1), 61_000)
  expect(once).toMatchObject({ status: 'starting', failingStreak: 1 })
  const twice = afterProbe(once, check, result(-1), 91_000)
  expect(twice).toMatchObject({ status: 'unhealthy', failingStreak: 2 })
  expect(afterProbe(twice, check, result(0), 121_000)).toMatchObject({ status: 'healthy', failingStreak: 0 })
})

test('after the first check that passed, failures count also within the start period', () => {
  const healthy = afterProbe(startingHealth, check, result(0), 1000)
  expect(afterProbe(healthy, check, result(1), 2000)).toMatchObject({ status: 'healthy', failingStreak: 1 })
})

test('the last five results are kept', () => {
  let health = startingHealth
  for (let code = 1; code <= 7; code++) health = afterProbe(health, check, result(code), 100_000)
  expect(health.log.map(({ exitCode }) => exitCode)).toEqual([3, 4, 5, 6, 7])
})

test('a result can be read again, whatever the guest has said and however long', () => {
  for (const said of [
    'x'.repeat(100_000),
    '\ufffd'.repeat(4096),
    'fine\n',
    '\u{1f600}'.repeat(10_000),
    'a\0b',
  ]) {
    const health = afterProbe(startingHealth, check, result(-1, resultText(said)), 0)
    expect(readText(readHealth, JSON.stringify(health))).toEqual(health)
  }
  expect(resultText('not\x1b yet\n')).toBe('not  yet\n')
})

test('checks are more frequent while it starts', () => {
  expect(untilNextProbe(startingHealth, check, 0)).toBe(5000)
  expect(untilNextProbe(startingHealth, check, 60_000)).toBe(30_000)
  expect(untilNextProbe({ ...startingHealth, status: 'healthy' }, check, 0)).toBe(30_000)
})
