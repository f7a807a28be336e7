import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../../errors.ts'
import { openFiles } from '../../../linux/files/open-files.double.ts'
import { silentLogger } from '../../../log.ts'
import { Status } from '../../../protocol/generated/containerd/types.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'
import type { TaskClient } from '../task.ts'
import { watchHealth } from './health.ts'
import { healthOf } from './health-state.ts'

const minute = 60_000
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
  detached: true,
  autoRemove: false,
  health: {
    command: ['true'],
    intervalMs: 1,
    timeoutMs: minute,
    startPeriodMs: 0,
    startIntervalMs: 1,
    retries: 2,
  },
}

test('a check whose container is paused before it has begun says nothing; one that cannot run has failed', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/health-`)
  try {
    const settings = { stateDir, log: silentLogger } as Settings
    const { bundle } = recordPaths(stateDir, 'default', 'web')
    mkdirSync(bundle, { recursive: true })
    writeFileSync(`${bundle}/config.json`, '{}')
    const paused = new KataError('TASK_STATE', { action: 'exec in', id: 'web', state: 'paused' })
    const missing = new KataError('COMMAND_NOT_FOUND', { command: 'true', reason: 'no such file' })
    const failures = [paused, missing, paused, paused]
    const over = new AbortController()
    const task = {
      state: async () => ({ status: Status.RUNNING }),
      exec: async () => {},
      start: async () => {
        throw failures.shift()!
      },
      delete: async () => {
        if (failures.length === 0) over.abort()
      },
    }
    await watchHealth(settings, record, task as unknown as TaskClient, over.signal)
    expect(healthOf(settings, record)).toMatchObject({
      status: 'starting',
      failingStreak: 1,
      log: [{ exitCode: -1, output: expect.stringContaining('[COMMAND_NOT_FOUND]') }],
    })
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})

test('neither objects nor descriptors stay of checks that go on for as long as the container', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/health-`)
  try {
    const settings = { stateDir, log: silentLogger } as Settings
    const { bundle } = recordPaths(stateDir, 'default', 'web')
    mkdirSync(bundle, { recursive: true })
    writeFileSync(`${bundle}/config.json`, '{}')
    const over = new AbortController()
    const counts: { objects: number; descriptors: number }[] = []
    let outputs: number[] = []
    let checks = 0
    const count = async () => {
      for (let turn = 0; turn < 20; turn++) {
        await Bun.sleep(5)
        Bun.gc(true)
      }
      counts.push({ objects: heapStats().objectCount, descriptors: openFiles().length })
    }
    const task = {
      async state() {
        if (++checks % 100 === 0) await count()
        if (checks === 400) over.abort()
        return { status: Status.RUNNING }
      },
      async exec({ stdout, stderr }: { stdout: string; stderr: string }) {
        outputs = [stdout, stderr].map((path) => openSync(path, 'r+'))
      },
      async start() {
        for (const output of outputs) writeSync(output, 'line\n')
      },
      async wait() {
        for (const output of outputs.splice(0)) closeSync(output)
        return 0
      },
      delete: async () => {},
    }
    await watchHealth(settings, record, task as unknown as TaskClient, over.signal)
    expect(healthOf(settings, record)).toMatchObject({ status: 'healthy' })
    const [, before, , after] = counts
    expect(after!.objects - before!.objects).toBeLessThan(200)
    expect(after!.descriptors - before!.descriptors).toBeLessThan(5)
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}, 60_000)
