/** A container whose volume does not answer fails alone: the shim goes on to serve all others. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '../log.ts'
import { CreateTaskRequest } from '../protocol/generated/containerd/task.ts'
import { enterMountSandbox, type MountSandbox, mountSilent } from '../sharing/testing.ts'
import type { Pod } from './daemon/pod.ts'
import { TaskService } from './task/task-service.ts'

let sandbox: MountSandbox
beforeAll(() => {
  sandbox = enterMountSandbox()
})
afterAll(() => sandbox.leave())

test.skipIf(!existsSync('/dev/fuse'))(
  'a container with a volume that does not answer is refused in time',
  async () => {
    const silent = join(sandbox.directory, 'silent')
    mkdirSync(silent)
    using _mounted = mountSilent(silent)
    let sandboxes = 0
    const pod = {
      id: 'pod',
      isUnmade: true,
      sandboxFor: async () => {
        sandboxes++
        throw new Error('no sandbox here')
      },
      stopAnyway: async () => {},
    } as unknown as Pod
    const tasks = new TaskService({
      pod,
      events: { publish: () => {}, flush: async () => {} },
      records: { add: () => {}, remove: () => {} },
      namespace: 'k8s.io',
      clientReturns: true,
      log: silentLogger,
      answerMs: 300,
    })
    const create = (id: string, source: string) => {
      const bundle = join(sandbox.directory, id)
      mkdirSync(bundle)
      const mounts = [{ destination: '/data', type: 'bind', source, options: ['rbind'] }]
      writeFileSync(join(bundle, 'config.json'), JSON.stringify({ mounts }))
      return tasks.create(CreateTaskRequest.fromPartial({ id, bundle }))
    }
    const refused = create('one', `${silent}/data`)
    await expect(create('two', sandbox.directory)).rejects.toThrow('no sandbox here')
    await expect(refused).rejects.toThrow('[SHARE_SOURCE_SILENT]')
    expect(sandboxes).toBe(1)
  },
)
