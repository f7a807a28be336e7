import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bundleFile } from '../../bundle/files.ts'
import type { Settings } from '../settings.ts'
import { prepareAgain } from './prepare.ts'
import { type ContainerRecord, createRecord } from './record.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/kata-ts-prepare-`)
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
  status: 'stopped',
  terminal: false,
  detached: false,
  autoRemove: false,
}

test('the next start of a container finds its working directory absolute, which another release left relative', () => {
  const { bundle } = createRecord(stateDir, record)
  writeFileSync(bundleFile(bundle, 'spec'), JSON.stringify({ process: { cwd: 'srv' } }))
  const settings = { stateDir, runDir: `${stateDir}/run`, namespace: 'default' } as Settings
  prepareAgain(settings, record, { isMonitor: false, changes: {} })
  expect(JSON.parse(readFileSync(bundleFile(bundle, 'spec'), 'utf8'))).toEqual({ process: { cwd: '/srv' } })
})
