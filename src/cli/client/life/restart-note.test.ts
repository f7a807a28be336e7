import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId, ownProcess, type ProcessRef, processRef } from '../../../linux/processes/proc.ts'
import { silentLogger } from '../../../log.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, createRecord, readRecord, updateRecord } from '../record.ts'
import { isRestartCut, whileRestarting } from './restart-note.ts'

const startedAt = '2026-01-01T00:00:01.000Z'
const record: ContainerRecord = {
  id: 'web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: bootId(),
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt,
  status: 'running',
  terminal: false,
  detached: true,
  autoRemove: false,
}
/** Another process, which lives, and one that has ended. */
const living = processRef(process.ppid)!
const killed: ProcessRef = { ...ownProcess(), startTime: '1' }

let stateDir: string
let settings: Settings
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/restart-note-`)
  settings = { stateDir, log: silentLogger } as Settings
  createRecord(stateDir, record)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const now = () => readRecord(stateDir, 'default', 'web')
const noteOf = (by: ProcessRef) =>
  updateRecord(stateDir, 'default', 'web', { restarting: { by, run: startedAt } })

test('a restart takes its own note away, whether it succeeds or fails', async () => {
  await whileRestarting(settings, record, async () => {
    const { at, ...note } = now().restarting!
    expect(note).toEqual({ by: ownProcess(), run: startedAt })
    expect(Date.now() - Date.parse(at!)).toBeWithin(0, 60_000)
  })
  expect(now().restarting).toBeUndefined()
  const failing = whileRestarting(settings, record, async () => {
    throw new Error('no guest')
  })
  await expect(failing).rejects.toThrow('no guest')
  expect(now().restarting).toBeUndefined()
})

test('that of another restart, which has begun meanwhile, stays', async () => {
  await whileRestarting(settings, record, async () => noteOf(living))
  expect(now().restarting?.by).toEqual(living)
})

test('only one that was killed is told, of the run that it has ended', () => {
  noteOf(living)
  expect(isRestartCut(now(), 'stopped')).toBe(false)
  noteOf(killed)
  expect((['running', 'stopped', 'dead'] as const).map((status) => isRestartCut(now(), status))).toEqual([
    false,
    true,
    true,
  ])
  expect(isRestartCut({ ...now(), startedAt: '2026-01-01T00:00:02.000Z' }, 'stopped')).toBe(false)
})
