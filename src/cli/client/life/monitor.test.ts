import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId, isAlive, ownProcess, processRef } from '../../../linux/processes/proc.ts'
import { until } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, createRecord, readRecord, recordPaths, updateRecord } from '../record.ts'
import { becomesMonitor, ensureMonitor, forbidRestart } from './monitor.ts'
import { isStopWanted } from './restarts.ts'

const record: ContainerRecord = {
  id: 'web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: bootId(),
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'running',
  terminal: false,
  detached: false,
  autoRemove: false,
  restart: { name: 'always', most: 0 },
}

let stateDir: string
let settings: Settings
let children: Bun.Subprocess[]
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/monitor-`)
  const self = { program: '/bin/sh', prefix: ['-c', 'exec sleep 60'] }
  settings = { stateDir, self, env: {} } as unknown as Settings
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(stateDir, { recursive: true })
})

const living = () => {
  const child = Bun.spawn(['sleep', '60'])
  children.push(child)
  return { child, ref: processRef(child.pid)! }
}
const dead = async () => {
  const { child, ref } = living()
  child.kill('SIGKILL')
  await child.exited
  return ref
}
const now = () => readRecord(stateDir, 'default', 'web')

test('one that is left to a monitor just as a person stops it has none that starts it again', async () => {
  const monitor = living()
  const script = `trap 'mv ${stateDir}/left ${stateDir}/containers/default/web/record.json; exit' TERM
    echo ready; while :; do sleep 0.02; done`
  const client = Bun.spawn(['sh', '-c', script], { stdout: 'pipe' })
  children.push(client)
  const ended: ContainerRecord = {
    ...record,
    status: 'stopped',
    exitCode: 1,
    restartsAt: '2026-01-01T00:00:09.000Z',
    owner: processRef(client.pid),
  }
  const { file } = createRecord(stateDir, ended)
  writeFileSync(`${stateDir}/left`, JSON.stringify({ ...ended, stopWanted: true, owner: monitor.ref }))
  // Until then it would end without having left it.
  await client.stdout.getReader().read()
  await forbidRestart(settings, ended)
  expect(JSON.parse(readFileSync(file, 'utf8')).owner.pid).toBe(monitor.child.pid)
  expect(isAlive(monitor.ref)).toBe(false)
  expect(isStopWanted(now())).toBe(true)
})

test('a client that is just leaving its container to a monitor has started the only one', async () => {
  const monitor = living()
  createRecord(stateDir, { ...record, owner: monitor.ref, detached: true })
  // As it was read before the client had left.
  ensureMonitor(settings, { ...record, owner: await dead() })
  expect(now().owner).toEqual(monitor.ref)
})

test('one that lost its monitor gets one, and one that has ended meanwhile gets none', async () => {
  const stale = { ...record, owner: await dead() }
  createRecord(stateDir, { ...stale, status: 'stopped' })
  ensureMonitor(settings, stale)
  expect(now().owner).toEqual(stale.owner)
  updateRecord(stateDir, 'default', 'web', { status: 'running' })
  ensureMonitor(settings, stale)
  const { owner, detached } = now()
  try {
    expect({ isAlive: isAlive(owner!), detached }).toEqual({ isAlive: true, detached: true })
  } finally {
    process.kill(owner!.pid, 'SIGKILL')
  }
})

test('what a monitor tells is added to the end of its log, also when that has become shorter', async () => {
  const log = `${recordPaths(stateDir, 'default', 'web').directory}/monitor.log`
  const script = `echo much >&2; : > '${log}'; echo end >&2; exec sleep 60`
  settings = { ...settings, self: { program: '/bin/sh', prefix: ['-c', script] } }
  createRecord(stateDir, { ...record, owner: await dead() })
  ensureMonitor(settings, record)
  try {
    const isThere = () => readFileSync(log, 'utf8').endsWith('end\n')
    expect(await until(isThere, { timeoutMs: 10_000, everyMs: 10 })).toBe(true)
    expect(readFileSync(log, 'utf8')).toBe('end\n')
  } finally {
    process.kill(now().owner!.pid, 'SIGKILL')
  }
})

test('a monitor that nobody has lived to note notes itself', async () => {
  createRecord(stateDir, { ...record, owner: await dead() })
  expect(await becomesMonitor(settings, record)).toBe(true)
  expect(now()).toMatchObject({ owner: ownProcess(), detached: true })
  // It is noted already.
  expect(await becomesMonitor(settings, record)).toBe(true)
})

test('a monitor waits until its client has left the container, or has noted it', async () => {
  const client = living()
  createRecord(stateDir, { ...record, owner: client.ref })
  const left = becomesMonitor(settings, record)
  expect(await Promise.race([left, Bun.sleep(100)])).toBeUndefined()
  expect(now().owner).toEqual(client.ref)
  client.child.kill('SIGKILL')
  expect(await left).toBe(true)
})
