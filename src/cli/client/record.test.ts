import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { ownProcess } from '../../linux/processes/proc.ts'
import { makeDeepTree } from '../../linux/testing.ts'
import {
  type ContainerRecord,
  claimedWithoutRecord,
  createRecord,
  finishRemoval,
  listNamespaces,
  listRecords,
  listRemovals,
  readRecord,
  readRecords,
  recordPaths,
  removeRecord,
  updateRecord,
} from './record.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/record-`)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const record = (id: string): ContainerRecord => ({
  id,
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'creating',
  terminal: false,
  detached: false,
  autoRemove: true,
  bootId: 'b',
})

test('a name is claimed once', () => {
  createRecord(stateDir, record('web'))
  expect(() => createRecord(stateDir, record('web'))).toThrow(/^\[CONTAINER_EXISTS\] .*web.*default/)
  expect(listRecords(stateDir, 'default')).toEqual(['web'])
  expect(listNamespaces(stateDir)).toEqual(['default'])
})

test('a record that could not be read again is not made, and one that can be still can later', () => {
  const filled = (id: string, bytes: number) => ({
    ...record(id),
    command: Array(10).fill('\x01'.repeat(bytes)),
  })
  // In JSON each byte is six.
  expect(() => createRecord(stateDir, filled('large', 17_000))).toThrow(
    /^\[OPTION_INVALID\] run does not take .* of \d+ bytes.*at most 917504 bytes/,
  )
  expect(listRecords(stateDir, 'default')).toEqual([])
  createRecord(stateDir, filled('web', 15_270))
  const by = { ...ownProcess(), pidNamespace: '4026531836' }
  const stopWishes = Array.from({ length: 256 }, () => ({ id: crypto.randomUUID(), by }))
  updateRecord(stateDir, 'default', 'web', {
    status: 'running',
    address: 'a'.repeat(200),
    exitCode: 0,
    stopWishes,
  })
  expect(statSync(recordPaths(stateDir, 'default', 'web').file).size).toBeGreaterThan(950_000)
  updateRecord(stateDir, 'default', 'web', { status: 'stopped', stopWishes: [] })
  expect(readRecord(stateDir, 'default', 'web').status).toBe('stopped')
})

test('a name that was only claimed has no record, and one that cannot be read is named', () => {
  createRecord(stateDir, record('web'))
  mkdirSync(`${stateDir}/containers/default/claimed`)
  expect(readRecords(stateDir, 'default')).toEqual([record('web')])
  writeFileSync(recordPaths(stateDir, 'default', 'claimed').file, '{')
  expect(() => readRecords(stateDir, 'default')).toThrow(/^\[RECORD_UNREADABLE\] .*claimed/)
})

test('records are private to root', () => {
  const paths = createRecord(stateDir, record('web'))
  expect(statSync(paths.directory).mode & 0o777).toBe(0o700)
  expect(statSync(paths.file).mode & 0o777).toBe(0o600)
})

test('updates replace fields and keep the rest', () => {
  createRecord(stateDir, record('web'))
  updateRecord(stateDir, 'default', 'web', { status: 'stopped', exitCode: 3 })
  expect(readRecord(stateDir, 'default', 'web')).toEqual({ ...record('web'), status: 'stopped', exitCode: 3 })
})

test('an update may depend on what the record says, which nobody changes meanwhile', () => {
  const { bundle } = createRecord(stateDir, { ...record('web'), exitCode: 3 })
  {
    using free = tryDirectoryLock(bundle)
    expect(free).toBeDefined()
  }
  updateRecord(stateDir, 'default', 'web', ({ exitCode = 0 }) => {
    expect(tryDirectoryLock(bundle)).toBeUndefined()
    return { exitCode: exitCode + 1 }
  })
  expect(readRecord(stateDir, 'default', 'web').exitCode).toBe(4)
})

/** Whether parts of the file have no place on the disk yet, as ext4 and xfs show it. */
const isPending = (path: string) =>
  Bun.spawnSync(['/usr/sbin/filefrag', '-v', path]).stdout.toString().includes('delalloc')

test('the record of a container that stays is on the disk before it takes the place of the one before', () => {
  const { file } = createRecord(stateDir, record('brief'))
  // The control: without a flush it is not, where the file system allocates late.
  if (!isPending(file)) return
  const kept = createRecord(stateDir, { ...record('kept'), autoRemove: false })
  expect(isPending(kept.file)).toBe(false)
  updateRecord(stateDir, 'default', 'kept', { status: 'stopped' })
  expect(isPending(kept.file)).toBe(false)
})

test('a name that cannot have a record, for want of room for example, stays free', () => {
  const unwritable = { ...record('web'), exitCode: 1n as unknown as number }
  expect(() => createRecord(stateDir, unwritable)).toThrow('BigInt')
  expect(listRecords(stateDir, 'default')).toEqual([])
  createRecord(stateDir, record('web'))
})

test('a name without a record is claimed for longer, whichever way the clock was set', () => {
  const { directory, file } = createRecord(stateDir, record('web'))
  expect(claimedWithoutRecord(stateDir, 'default', 'web')).toBeUndefined()
  rmSync(file)
  const claimedMs = (step: number) => {
    utimesSync(directory, new Date(), new Date(Date.now() + step))
    return claimedWithoutRecord(stateDir, 'default', 'web')
  }
  expect(claimedMs(0)).toBeLessThan(60_000)
  for (const hours of [-1, 1]) expect(claimedMs(hours * 3600_000)).toBeGreaterThan(3500_000)
})

test('a disk of its own moves with a container, and no other does', () => {
  const disksOf = (id: string) => readRecord(stateDir, 'default', id).disks?.image
  const own = `${recordPaths(stateDir, 'default', 'web').directory}/image.erofs`
  const { directory } = createRecord(stateDir, { ...record('web'), disks: { image: own, bytes: 4096 } })
  const stored = `${stateDir}/images/disks/image.erofs`
  createRecord(stateDir, { ...record('other'), disks: { image: stored, bytes: 4096 } })
  expect([disksOf('web'), disksOf('other')]).toEqual([own, stored])
  // As a rename that was killed leaves it.
  for (const id of ['web', 'other'])
    renameSync(recordPaths(stateDir, 'default', id).directory, `${dirname(directory)}/new-${id}`)
  expect([disksOf('new-web'), disksOf('new-other')]).toEqual([
    `${dirname(directory)}/new-web/image.erofs`,
    stored,
  ])
})

test('a removed record does not come back', async () => {
  createRecord(stateDir, record('web'))
  await removeRecord(stateDir, 'default', 'web')
  updateRecord(stateDir, 'default', 'web', { status: 'stopped' })
  expect(listRecords(stateDir, 'default')).toEqual([])
  expect(() => readRecord(stateDir, 'default', 'web')).toThrow(/^\[CONTAINER_NOT_FOUND\]/)
})

test('a removal that is broken off frees the name and can be finished', async () => {
  const { directory } = createRecord(stateDir, record('web'))
  makeDeepTree(`${directory}/upper`, 1000)
  const abort = AbortSignal.abort(new Error('interrupted'))
  await expect(removeRecord(stateDir, 'default', 'web', abort)).rejects.toThrow(
    /^\[REMOVAL_UNFINISHED\].*interrupted/,
  )
  expect(listRecords(stateDir, 'default')).toEqual([])
  const [rest = ''] = listRemovals(stateDir, 'default')
  await finishRemoval(rest)
  expect(listRemovals(stateDir, 'default')).toEqual([])
})

test('what has no name of ours in the state directory is passed over', () => {
  createRecord(stateDir, record('web'))
  mkdirSync(`${stateDir}/containers/default/.other`)
  mkdirSync(`${stateDir}/containers/lost+found`)
  expect(listRecords(stateDir, 'default')).toEqual(['web'])
  expect(listNamespaces(stateDir)).toEqual(['default'])
})

test('a damaged record is named', () => {
  const { file } = createRecord(stateDir, record('web'))
  writeFileSync(file, '{')
  expect(() => readRecord(stateDir, 'default', 'web')).toThrow(/^\[RECORD_UNREADABLE\].*record\.json/)
  writeFileSync(file, JSON.stringify({ ...record('web'), command: 'true' }))
  expect(() => readRecord(stateDir, 'default', 'web')).toThrow('command: expected a list, is a string')
})

test('names cannot leave the state directory', () => {
  for (const id of ['..', '../x', 'a/b']) {
    expect(() => recordPaths(stateDir, 'default', id)).toThrow(/^\[NAME_INVALID\]/)
    expect(() => recordPaths(stateDir, id, 'web')).toThrow(/^\[NAME_INVALID\]/)
  }
})
