import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { appendEvent, eventFiles } from '../../sandbox/records/event-log.ts'
import { EventReader, noteEvent } from './events.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/events-`)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const container = { id: 'web', namespace: 'default', image: 'busybox', labels: { tier: 'x' } }
const actions = (reader: EventReader) => [...reader.read()].map(({ action }) => action)

test('a reader sees what comes from now on, or all that is kept', () => {
  const early = new EventReader(stateDir, false)
  expect(actions(early)).toEqual([])
  noteEvent({ stateDir }, container, 'create')
  expect(actions(early)).toEqual(['create'])
  const late = new EventReader(stateDir, false)
  noteEvent({ stateDir }, container, 'kill', { signal: '9' })
  expect([...late.read()]).toEqual([
    {
      at: expect.any(Number),
      type: 'container',
      action: 'kill',
      namespace: 'default',
      id: 'web',
      attributes: { tier: 'x', image: 'busybox', name: 'web', signal: '9' },
    },
  ])
  expect(actions(early)).toEqual(['kill'])
  expect(actions(new EventReader(stateDir, true))).toEqual(['create', 'kill'])
})

test('a full log is followed by another, and a reader goes over to it', () => {
  const { current, before } = eventFiles(stateDir)
  noteEvent({ stateDir }, container, 'create')
  const reader = new EventReader(stateDir, true)
  expect(actions(reader)).toEqual(['create'])
  appendFileSync(current, 'x'.repeat(5 << 20))
  noteEvent({ stateDir }, container, 'destroy')
  expect(existsSync(before)).toBe(true)
  expect(statSync(current).size).toBeLessThan(1000)
  expect(actions(reader)).toEqual(['destroy'])
})

test('one who follows gets the event of a writer that had opened the log before it was full', () => {
  const { current, before } = eventFiles(stateDir)
  noteEvent({ stateDir }, container, 'create')
  const reader = new EventReader(stateDir, true)
  appendFileSync(current, `${'x'.repeat(5 << 20)}\n`)
  noteEvent({ stateDir }, container, 'start')
  expect(actions(reader)).toEqual(['create', 'start'])
  appendFileSync(
    before,
    `${JSON.stringify({ at: 1, type: 'container', action: 'late', namespace: '', id: 'a', attributes: {} })}\n`,
  )
  expect(actions(reader)).toEqual(['late'])
  noteEvent({ stateDir }, container, 'die')
  expect(actions(reader)).toEqual(['die'])
  reader.close()
})

test('one who was away while two logs became full goes on with all that is kept', () => {
  const { current } = eventFiles(stateDir)
  noteEvent({ stateDir }, container, 'create')
  const reader = new EventReader(stateDir, true)
  expect(actions(reader)).toEqual(['create'])
  for (const action of ['start', 'die', 'destroy']) {
    noteEvent({ stateDir }, container, action)
    if (action !== 'destroy') appendFileSync(current, `${'x'.repeat(5 << 20)}\n`)
  }
  expect(actions(reader)).toEqual(['start', 'die', 'destroy'])
  reader.close()
})

test('the event after one that a power cut has cut is not lost with it', () => {
  noteEvent({ stateDir }, container, 'create')
  const { current } = eventFiles(stateDir)
  appendFileSync(current, '{"at":1,"ty')
  noteEvent({ stateDir }, container, 'start')
  noteEvent({ stateDir }, container, 'die')
  expect(actions(new EventReader(stateDir, true))).toEqual(['create', 'start', 'die'])
})

test('a line that is none of ours is passed over, and one without a place to write is lost', () => {
  noteEvent({ stateDir }, container, 'create')
  appendFileSync(eventFiles(stateDir).current, '{"at":1}\n\0\n')
  noteEvent({ stateDir }, container, 'start')
  expect(actions(new EventReader(stateDir, true))).toEqual(['create', 'start'])
  truncateSync(eventFiles(stateDir).current)
  appendEvent('/proc/nowhere', { type: 'image', action: 'pull', namespace: '', id: 'a', attributes: {} })
})
