import { expect, test } from 'bun:test'
import { parseDuration } from './duration.ts'
import { healthCheckOf, parseHealth } from './health.ts'

const image = { test: ['CMD', 'curl', '-f', 'localhost'], intervalMs: 60_000, retries: 5 }

test('the image’s check counts, with what it leaves open as docker has it', () => {
  expect(healthCheckOf(parseHealth({}), image)).toEqual({
    command: ['curl', '-f', 'localhost'],
    intervalMs: 60_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5000,
    retries: 5,
  })
})

test('options win over it, each alone', () => {
  const asked = parseHealth({ healthCmd: 'test -e /ready', healthTimeout: '1m30s', healthStartPeriod: '0' })
  expect(healthCheckOf(asked, image)).toMatchObject({
    command: ['/bin/sh', '-c', 'test -e /ready'],
    intervalMs: 60_000,
    timeoutMs: 90_000,
    retries: 5,
  })
})

test('an image does not choose to be checked without a pause, and who runs it may', () => {
  const hasty = { ...image, intervalMs: 1e-6, startIntervalMs: 1 }
  expect(healthCheckOf(parseHealth({}), hasty)).toMatchObject({ intervalMs: 1000, startIntervalMs: 1000 })
  const asked = parseHealth({ healthInterval: '5ms', healthStartInterval: '2ms' })
  expect(healthCheckOf(asked, hasty)).toMatchObject({ intervalMs: 5, startIntervalMs: 2 })
})

test('no check: nothing said, NONE, an interval alone, or --no-healthcheck', () => {
  expect(healthCheckOf(parseHealth({}), undefined)).toBeUndefined()
  expect(healthCheckOf(parseHealth({}), { test: ['NONE'] })).toBeUndefined()
  expect(healthCheckOf(parseHealth({}), { test: ['CMD-SHELL', ''] })).toBeUndefined()
  expect(healthCheckOf(parseHealth({}), { test: ['curl', 'localhost'] })).toBeUndefined()
  expect(healthCheckOf(parseHealth({ healthInterval: '5s' }), undefined)).toBeUndefined()
  expect(healthCheckOf(parseHealth({ healthcheck: false }), image)).toBeUndefined()
  // Of no words: the image's stays.
  expect(parseHealth({ healthCmd: '' })).toEqual({})
  expect(() => parseHealth({ healthcheck: false, healthCmd: 'true' })).toThrow('[OPTION_CONFLICT]')
})

test('durations are Go’s', () => {
  expect(parseDuration('1h0.5s', '--x', 0)).toBe(3_600_500)
  for (const text of ['', '5', 's', '-1s', '1d', '1s ', '0.1us'])
    expect(() => parseDuration(text, '--x', 1)).toThrow('[OPTION_INVALID]')
})
