import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId, ownProcess, processRef } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, createRecord, readRecord, updateRecord } from '../record.ts'
import { afterEnd, isStopWanted } from './restarts.ts'
import { wishStop } from './stop-wish.ts'

const record: ContainerRecord = {
  id: 'web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: bootId(),
  createdAt: '2026-01-01T00:00:00.000Z',
  // It is there, and asks no shim.
  status: 'creating',
  owner: ownProcess(),
  terminal: false,
  detached: true,
  autoRemove: false,
  restart: { name: 'always', most: 0 },
}
const refused = new Error('no guest')

let stateDir: string
let settings: Settings
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/wish-`)
  settings = { stateDir } as Settings
  createRecord(stateDir, record)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const now = () => readRecord(stateDir, 'default', 'web')

test('of two signals at once, one that does not get there takes back nothing of the other', async () => {
  const [first, second] = [wishStop(settings, now()), wishStop(settings, now())]
  await first.takeBack(refused)
  expect(isStopWanted(now())).toBe(true)
  second.fulfil()
  expect(now()).toMatchObject({ stopWanted: true, stopWishes: [] })
})

test('when neither gets there, the container keeps its policy', async () => {
  const [first, second] = [wishStop(settings, now()), wishStop(settings, now())]
  await first.takeBack(refused)
  await second.takeBack(refused)
  expect(isStopWanted(now())).toBe(false)
})

test('what has got there is not taken back by a later failure', async () => {
  const wish = wishStop(settings, now())
  wish.fulfil()
  await wish.takeBack(refused)
  expect(isStopWanted(now())).toBe(true)
})

test('a wish counts as long as its command lives, and an end by it for good', async () => {
  const command = Bun.spawn(['sleep', '60'])
  const wishes = [{ id: 'a', by: processRef(command.pid)! }]
  updateRecord(stateDir, 'default', 'web', { stopWishes: wishes })
  expect(afterEnd(settings, record, 1)).toEqual({ restartsAt: undefined, stopWanted: true })
  command.kill('SIGKILL')
  await command.exited
  expect(afterEnd(settings, record, 1).restartsAt).toBeString()
  // The next one finds it, and keeps it no more.
  await wishStop(settings, now()).takeBack(refused)
  expect(now().stopWishes).toEqual([])
})

test('a container that has ended meanwhile stays ended', async () => {
  const wish = wishStop(settings, now())
  updateRecord(stateDir, 'default', 'web', { status: 'stopped' })
  await wish.takeBack(refused)
  expect(now().stopWanted).toBe(true)
})

test('a later container of the same name keeps its policy', () => {
  const wish = wishStop(settings, now())
  updateRecord(stateDir, 'default', 'web', { createdAt: '2026-01-02T00:00:00.000Z', stopWishes: [] })
  wish.fulfil()
  expect(isStopWanted(now())).toBe(false)
})
