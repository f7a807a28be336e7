import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId } from '../../linux/processes/proc.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import { listen } from '../../ttrpc/bun.ts'
import { serve, service } from '../../ttrpc/ttrpc.ts'
import type { ContainerRecord } from '../client/record.ts'
import type { Settings } from '../settings.ts'
import { isPrunable } from './prune.ts'

test('a container that its client is about to start is not removed, and one that was only created is', async () => {
  const stateDir = mkdtempSync(`${tmpdir()}/prune-`)
  const socket = `${stateDir}/s`
  const tasks = service(TaskDefinition, { state: () => ({ status: Status.CREATED }), connect: () => ({}) })
  const listener = listen({ unix: socket }, (transport) => serve(transport, [tasks]))
  const record = { id: 'web', namespace: 'default', address: `unix://${socket}`, bootId: bootId() }
  const prunable = (status: ContainerRecord['status']) =>
    isPrunable({ stateDir } as Settings, { ...record, status } as ContainerRecord)
  try {
    expect(await prunable('running')).toBe(false)
    expect(await prunable('created')).toBe(true)
  } finally {
    listener.stop()
    rmSync(stateDir, { recursive: true })
  }
})
