import { heapStats } from 'bun:jsc'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../../log.ts'
import { appendEvent } from '../../../sandbox/records/event-log.ts'
import { clocksThatRush } from '../../../time.double.ts'
import type { Settings } from '../../settings.ts'
import { events } from './events.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/events-`)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const settings = (format: Settings['format'], print: Settings['print']): Settings => ({
  namespace: 'a',
  runDir: stateDir,
  stateDir,
  format,
  debug: false,
  log: silentLogger,
  self: { program: '', prefix: [] },
  env: {},
  tell: () => {},
  print,
})

const note = (id: string, attributes = {}) =>
  appendEvent(stateDir, { type: 'container', namespace: 'a', attributes, action: 'start', id })

test('events end when nobody reads them any more', async () => {
  for (const id of ['one', 'two', 'three']) note(id)
  let printed = ''
  const print = (text: string) => {
    printed += text
    return !text.includes('two')
  }
  expect(await events(settings('text', print), { since: '10m' })).toBe(0)
  expect(printed).toContain('two')
  expect(printed).not.toContain('three')
})

test.each(['text', 'json'] as const)('what others name steers no terminal, as %s', async (format) => {
  note('one', { label: 'a\u009b2J\u202eb\u001b[2J' })
  let printed = ''
  const print = (text: string) => {
    printed += text
    return false
  }
  expect(await events(settings(format, print), { since: '10m' })).toBe(0)
  expect(printed).toContain('2J')
  expect(printed.trim()).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
  if (format === 'json') expect(JSON.parse(printed).Actor.Attributes.label).toBe('a\u009b2J\u202eb\u001b[2J')
})

test('a signal ends them also while many are printed that take long', async () => {
  for (let count = 0; count < 100; count++) note(`n${count}`)
  let printed = 0
  const print = () => {
    if (++printed === 1) process.kill(process.pid, 'SIGTERM')
    for (const end = performance.now() + 20; performance.now() < end; );
    return true
  }
  expect(await events(settings('text', print), { since: '10m' })).toBe(0)
  expect(printed).toBeLessThan(100)
})

test('the looks for a signal leave nothing behind, however long events are followed', async () => {
  const looks = 1000
  for (let count = 0; count <= looks; count++) note(`n${count}`)
  let printed = 0
  const promises: number[] = []
  const print = () => {
    const isLast = ++printed > looks
    if (printed === 1 || isLast) {
      Bun.gc(true)
      promises.push(heapStats().objectTypeCounts.Promise ?? 0)
    }
    return !isLast
  }
  // Each event takes as long as one turn may.
  using _rushing = clocksThatRush()
  expect(await events(settings('text', print), { since: '1' })).toBe(0)
  expect(promises.at(-1)! - promises[0]!).toBeLessThan(looks / 10)
})
