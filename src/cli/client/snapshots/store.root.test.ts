/** Snapshots on disk. Root's own files are what is asked for, so this runs as root. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { bundleFile } from '../../../bundle/files.ts'
import { ownProcess } from '../../../linux/processes/proc.ts'
import { unfinished } from '../../../sandbox/checkpoint/checkpoint-facts.ts'
import type { ContainerRecord } from '../record.ts'
import {
  createSnapshot,
  readSnapshot,
  removeSnapshot,
  snapshotRecords,
  unfinishedSnapshots,
} from './store.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync('/var/tmp/kata-ts-snapshots-')
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
  status: 'running',
  terminal: false,
  detached: false,
  autoRemove: false,
}
const facts = {
  version: 1,
  savedBy: '1',
  savedAt: 'now',
  key: 'k',
  accelerator: 'tcg',
  container: 'web',
  disks: [],
  plan: { vcpus: 1, maxVcpus: 0, memoryMiB: 256, maxMemoryMiB: 0 },
  state: { bytes: 6, sha256: 'd' },
}
const read = () => readSnapshot({ stateDir, namespace: 'default' }, 'warm')
const directory = () => `${stateDir}/snapshots/default/warm`

beforeEach(async () => {
  const bundle = `${stateDir}/bundle`
  mkdirSync(bundle)
  for (const file of ['spec', 'overrides'] as const)
    writeFileSync(bundleFile(bundle, file), '{}', { mode: 0o600 })
  await createSnapshot({ stateDir, namespace: 'default' }, 'warm', { record, bundle }, async (to) => {
    mkdirSync(to, { mode: 0o700 })
    writeFileSync(`${to}/state`, 'memory', { mode: 0o600 })
    writeFileSync(`${to}/written.img`, 'disk', { mode: 0o600 })
    writeFileSync(`${to}/checkpoint.json`, JSON.stringify(facts), { mode: 0o600 })
  })
})

const files: readonly [string, (directory: string) => string][] = [
  ['what runs', (at) => bundleFile(at, 'spec')],
  ['what the command line said', (at) => bundleFile(at, 'overrides')],
  ['its record', (at) => `${at}/record.json`],
  ['its disk', (at) => `${at}/written.img`],
]
test.each(files)('%s is root’s alone to write, or counts for nothing', (_, pathIn) => {
  expect(read().record.id).toBe('web')
  const path = pathIn(directory())
  chownSync(path, 65534, 0)
  expect(read).toThrow('[CHECKPOINT_FOREIGN]')
  chownSync(path, 0, 0)
  chmodSync(path, 0o666)
  expect(read).toThrow('[CHECKPOINT_FOREIGN]')
  chmodSync(path, 0o600)
  expect(read().record.id).toBe('web')
  renameSync(path, `${path}.elsewhere`)
  symlinkSync(`${path}.elsewhere`, path)
  expect(read).toThrow('[CHECKPOINT_FOREIGN]')
})

test.each(files.filter(([what]) => what !== 'what the command line said'))(
  'a snapshot without %s is damaged',
  (_, pathIn) => {
    rmSync(pathIn(directory()))
    expect(read).toThrow('[CHECKPOINT_DAMAGED]')
  },
)

test('what stands in place of a snapshot is removed as one', async () => {
  const store = { stateDir, namespace: 'default' }
  writeFileSync(`${stateDir}/snapshots/default/file`, '')
  symlinkSync(directory(), `${stateDir}/snapshots/default/link`)
  for (const name of ['file', 'link']) await removeSnapshot(store, name)
  expect(readdirSync(`${stateDir}/snapshots/default`)).toEqual(['warm'])
  expect(read().record.id).toBe('web')
})

test('a snapshot that cannot be made leaves nothing, nor what its shim did not live to remove', async () => {
  const making = createSnapshot(
    { stateDir, namespace: 'default' },
    'next',
    { record, bundle: `${stateDir}/bundle` },
    async (to) => {
      mkdirSync(unfinished(to))
      throw new Error('its shim was killed')
    },
  )
  await expect(making).rejects.toThrow('its shim was killed')
  expect(readdirSync(`${stateDir}/snapshots/default`)).toEqual(['warm'])
})

test('the name of one that is being made says by which process', async () => {
  const made = { record, bundle: `${stateDir}/bundle` }
  const making = createSnapshot({ stateDir, namespace: 'default' }, 'next', made, async (to) => {
    expect(unfinishedSnapshots(stateDir)).toEqual([{ path: dirname(to), process: ownProcess() }])
    throw new Error('seen')
  })
  await expect(making).rejects.toThrow('seen')
})

test('of two snapshots of one name that are made at once the second says that there is one', async () => {
  const made = { record, bundle: `${stateDir}/bundle` }
  const making = createSnapshot({ stateDir, namespace: 'default' }, 'next', made, async (to) => {
    for (const path of [to, `${stateDir}/snapshots/default/next`])
      cpSync(directory(), path, { recursive: true })
  })
  await expect(making).rejects.toMatchObject({ code: 'SNAPSHOT_EXISTS', fields: { name: 'next' } })
  expect(readdirSync(`${stateDir}/snapshots/default`).sort()).toEqual(['next', 'warm'])
})

test('a machine that its shim has saved elsewhere, as below a later mount, is no snapshot', async () => {
  const made = { record, bundle: `${stateDir}/bundle` }
  const making = createSnapshot({ stateDir, namespace: 'default' }, 'next', made, async (to) => {
    // Which a shim that does not see this one has no directory for.
    expect(readdirSync(dirname(to))).toEqual([])
    expect(dirname(dirname(to))).toBe(`${stateDir}/snapshots/default`)
  })
  await expect(making).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    fields: { reason: 'it is not there' },
  })
  expect(readdirSync(`${stateDir}/snapshots/default`)).toEqual(['warm'])
})

test('of a record that is not root’s no image is known, and none is removed for that', () => {
  expect(snapshotRecords(stateDir)).toHaveLength(1)
  chmodSync(`${directory()}/record.json`, 0o666)
  expect(() => snapshotRecords(stateDir)).toThrow('[CHECKPOINT_FOREIGN]')
})
