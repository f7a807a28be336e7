import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { eventFiles } from '../../sandbox/records/event-log.ts'
import { logEvents } from './event-log.ts'
import { taskEvents } from './events.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/events-`)
})
afterEach(() => rmSync(stateDir, { recursive: true }))

test('what containerd is told, the log of the command line is told in docker’s words', () => {
  const log = logEvents('default', { stateDir, attributes: { image: 'busybox' } })
  const [containerId, at] = ['web', new Date()]
  log.publish(
    taskEvents.create({ containerId, bundle: '', rootfs: [], io: undefined, checkpoint: '', pid: 1 }),
  )
  log.publish(taskEvents.start({ containerId, pid: 1 }))
  log.publish(taskEvents.execAdded({ containerId, execId: 'health-1' }))
  log.publish(taskEvents.execAdded({ containerId, execId: 'e' }))
  log.publish(taskEvents.execStarted({ containerId, execId: 'e', pid: 2 }))
  const exit = { containerId, pid: 2, exitedAt: undefined }
  log.publish(taskEvents.exit({ ...exit, id: 'e', exitStatus: 1 }))
  log.publish(taskEvents.paused({ containerId }))
  log.publish(taskEvents.resumed({ containerId }))
  log.publish(taskEvents.oom({ containerId }))
  log.publish(taskEvents.exit({ ...exit, id: 'web', exitStatus: 137 }))
  const lines = readFileSync(eventFiles(stateDir).current, 'utf8').trim().split('\n')
  const noted = lines.map((line) => JSON.parse(line))
  expect(noted.map(({ action }) => action)).toEqual([
    ...['start', 'exec_create', 'exec_start', 'exec_die', 'pause', 'unpause', 'oom', 'die'],
  ])
  expect(noted.at(-1)).toMatchObject({
    type: 'container',
    namespace: 'default',
    id: 'web',
    attributes: { image: 'busybox', exitCode: '137' },
  })
  expect(noted[0].at).toBeGreaterThanOrEqual(at.getTime() - 1)
})
