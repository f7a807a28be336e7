import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../../log.ts'
import { appendEvent } from '../../../sandbox/records/event-log.ts'
import type { Settings } from '../../settings.ts'
import { events } from './events.ts'

test('events end when nobody reads them any more', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/events-`)
  const event = (id: string) =>
    ({ type: 'container', namespace: 'a', attributes: {}, action: 'start', id }) as const
  for (const id of ['one', 'two', 'three']) appendEvent(stateDir, event(id))
  let printed = ''
  const settings: Settings = {
    namespace: 'a',
    runDir: stateDir,
    stateDir,
    format: 'text',
    debug: false,
    log: silentLogger,
    self: { program: '', prefix: [] },
    env: {},
    tell: () => {},
    print(text: string) {
      printed += text
      return !text.includes('two')
    },
  }
  expect(await events(settings, { since: '10m' })).toBe(0)
  expect(printed).toContain('two')
  expect(printed).not.toContain('three')
  rmSync(stateDir, { recursive: true })
})
