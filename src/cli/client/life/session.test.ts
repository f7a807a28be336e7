import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Settings } from '../../settings.ts'
import {
  type ContainerRecord,
  createRecord,
  readRecord,
  recordPaths,
  removeRecord,
  updateRecord,
} from '../record.ts'
import { catchSignals } from '../signals.ts'
import { Session } from './session.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/session-`)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const record: ContainerRecord = {
  id: 'web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: 'b',
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'creating',
  terminal: false,
  detached: false,
  autoRemove: false,
}

test('a client that lost its container starts nothing in the place of another one of its name', async () => {
  createRecord(stateDir, record)
  // The settings name no program for the shim, so nothing is started.
  const settings = { stateDir } as Settings
  const paths = recordPaths(stateDir, 'default', 'web')
  const session = new Session(settings, { record, paths, rootfs: async () => [], ranBefore: false })
  await removeRecord(stateDir, 'default', 'web')
  const another = { ...record, createdAt: '2026-01-01T00:00:09.000Z', status: 'running' } as const
  createRecord(stateDir, another)
  const signals = catchSignals()
  try {
    const streams = { stdin: '', stdout: '', stderr: '' }
    await expect(session.create(streams, signals)).rejects.toThrow(
      /^\[START_GIVEN_UP\].*was removed meanwhile/,
    )
  } finally {
    signals.release()
  }
  session.handOver({ close: () => {} } as never)
  expect(readRecord(stateDir, 'default', 'web')).toEqual(another)
})

test('a container that is left has a monitor for the policy that it got while it ran', () => {
  createRecord(stateDir, record)
  const self = { program: '/bin/sh', prefix: ['-c', 'exec sleep 60'] }
  const paths = recordPaths(stateDir, 'default', 'web')
  const settings = { stateDir, self, env: {} } as unknown as Settings
  const session = new Session(settings, { record, paths, rootfs: async () => [], ranBefore: false })
  updateRecord(stateDir, 'default', 'web', { restart: { name: 'always', most: 0 } })
  session.handOver({ close: () => {} } as never)
  const { owner, detached } = readRecord(stateDir, 'default', 'web')
  expect({ hasMonitor: owner !== undefined, detached }).toEqual({ hasMonitor: true, detached: true })
  process.kill(owner!.pid)
})
