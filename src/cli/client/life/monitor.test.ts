import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId, isAlive, processRef } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, createRecord, readRecord } from '../record.ts'
import { forbidRestart } from './monitor.ts'

test('one that is left to a monitor just as a person stops it has none that starts it again', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/monitor-`)
  const monitor = Bun.spawn(['sleep', '60'])
  const script = `trap 'mv ${stateDir}/left ${stateDir}/containers/default/web/record.json; exit' TERM
    echo ready; while :; do sleep 0.02; done`
  const client = Bun.spawn(['sh', '-c', script], { stdout: 'pipe' })
  try {
    const record: ContainerRecord = {
      id: 'web',
      namespace: 'default',
      command: ['true'],
      image: 'busybox',
      layers: [],
      bootId: bootId(),
      createdAt: '2026-01-01T00:00:00.000Z',
      status: 'stopped',
      exitCode: 1,
      terminal: false,
      detached: false,
      autoRemove: false,
      restart: { name: 'always', most: 0 },
      restartsAt: '2026-01-01T00:00:09.000Z',
      owner: processRef(client.pid),
    }
    const { file } = createRecord(stateDir, record)
    const left = { ...record, stopWanted: true, detached: true, owner: processRef(monitor.pid) }
    writeFileSync(`${stateDir}/left`, JSON.stringify(left))
    // Until then it would end without having left it.
    await client.stdout.getReader().read()
    await forbidRestart({ stateDir } as Settings, record)
    expect(JSON.parse(readFileSync(file, 'utf8')).owner.pid).toBe(monitor.pid)
    expect(isAlive(left.owner!)).toBe(false)
    expect(readRecord(stateDir, 'default', 'web').stopWanted).toBe(true)
  } finally {
    for (const child of [client, monitor]) child.kill('SIGKILL')
    rmSync(stateDir, { recursive: true })
  }
})
