import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isForgotten } from '../bundle/forgotten-exec.ts'
import { createLogger } from '../log.ts'
import { TaskDefinition } from '../protocol/generated/containerd/task.ts'
import { type Listener, listen } from '../ttrpc/bun.ts'
import { serve, service, TtrpcError } from '../ttrpc/ttrpc.ts'
import { endTask } from './end-task.ts'

let runDir: string
let warned: string[]
let calls: string[]
let isLeftToShim: boolean
let listener: Listener | undefined
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/end-task-`)
  warned = []
  calls = []
})
afterEach(() => {
  listener?.stop()
  listener = undefined
  rmSync(runDir, { recursive: true })
})

/** Ends container `web` of a pod, whose shim is a double. */
function ending({ hangs = false, isOver = false, isKnown = true, isFaster = false, limitMs = 5000 } = {}) {
  const address = `unix://${runDir}/socket`
  const task = { id: 'web', namespace: 'k8s.io', sandboxId: 'pod', bundle: '/b', address, createdAt: '' }
  const tasks = service(TaskDefinition, {
    kill({ id, execId, signal, all }, { metadata }) {
      isLeftToShim = isForgotten(metadata)
      calls.push(`kill ${id}${execId} ${signal} ${all}`)
      if (isOver || !isKnown) throw new TtrpcError('not_found', 'it has ended')
      return {}
    },
    wait({ id, execId }) {
      calls.push(`wait ${id}${execId}`)
      if (!isKnown) throw new TtrpcError('not_found', 'there is no such task')
      return hangs ? new Promise<never>(() => {}) : { exitStatus: isOver ? 3 : 137 }
    },
    delete({ id, execId }) {
      calls.push(`delete ${id}${execId}`)
      if (isFaster) throw new TtrpcError('not_found', 'there is no such task')
      return { pid: 4300, exitStatus: isOver ? 3 : 137 }
    },
  })
  listener = listen({ unix: `${runDir}/socket` }, (transport) => void serve(transport, [tasks]))
  const log = createLogger({ sink: ({ message }) => void warned.push(message) })
  return endTask(task, { limitMs, log })
}

test('a container that its pod still has is killed and removed', async () => {
  expect(await ending()).toMatchObject({ pid: 4300, exitStatus: 137 })
  expect({ calls, warned }).toEqual({ calls: ['kill web 9 true', 'wait web', 'delete web'], warned: [] })
})

test('one that has ended is removed, and its own exit status is told', async () => {
  expect(await ending({ isOver: true })).toMatchObject({ exitStatus: 3 })
  expect(calls).toEqual(['kill web 9 true', 'wait web', 'delete web'])
})

test('one that its shim has removed by then tells how it ended all the same', async () => {
  expect(await ending({ isFaster: true })).toMatchObject({ exitStatus: 137 })
  expect(warned).toEqual([])
})

test('one that was deleted meanwhile is nothing to warn of', async () => {
  expect(await ending({ isKnown: false })).toBeUndefined()
  expect({ calls, warned }).toEqual({ calls: ['kill web 9 true', 'wait web'], warned: [] })
})

test('one whose end takes too long is not waited for, and a warning says so', async () => {
  expect(await ending({ hangs: true, limitMs: 50 })).toBeUndefined()
  expect(isLeftToShim).toBe(true)
  expect(warned).toEqual(['it was killed, and its pod removes it once it has ended'])
})

test('one whose shim is gone is left to the teardown of its pod', async () => {
  const ended = ending()
  listener!.stop()
  rmSync(`${runDir}/socket`, { force: true })
  expect(await ended).toBeUndefined()
  expect(warned).toEqual([])
})
