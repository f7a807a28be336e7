import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bundleFile } from '../../bundle/files.ts'
import type { Settings } from '../settings.ts'
import type { ContainerPlan } from './container-plan.ts'
import { prepareAgain, prepareNew } from './prepare.ts'
import { type ContainerRecord, createRecord, recordPaths } from './record.ts'

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

/** Whether parts of the file have no place on the disk yet, as ext4 and xfs show it. */
const isPending = (path: string) =>
  Bun.spawnSync(['/usr/sbin/filefrag', '-v', path]).stdout.toString().includes('delalloc')

test('what a container that stays is started by again is on the disk with its record', async () => {
  const control = `${stateDir}/control`
  writeFileSync(control, '{}')
  // The control: without a flush it is not, where the file system allocates late.
  if (!isPending(control)) return
  const { autoRemove, command, image, layers, terminal, id } = record
  const bare = { autoRemove, command, image, layers, terminal, id, spec: {}, overrides: { memory: 512 } }
  const plan = { ...bare, network: { ports: [] }, onRecorded: () => {} } as unknown as ContainerPlan
  const settings = { stateDir, namespace: 'default' } as Settings
  await prepareNew(settings, plan, { detached: true })
  const { bundle } = recordPaths(stateDir, 'default', 'web')
  const pending = (['spec', 'overrides', 'network'] as const).filter((file) =>
    isPending(bundleFile(bundle, file)),
  )
  expect(pending).toEqual([])
})
