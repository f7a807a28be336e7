import { expect, test } from 'bun:test'
import type { AgentConnection } from '../../../agent/connection.ts'
import { KataError } from '../../../errors.ts'
import { silentLogger } from '../../../log.ts'
import type { ExitInfo } from '../../../rootless/jail/launch-spec.ts'
import { VmmDouble } from '../doubles/vmm.double.ts'
import { connectToGuest, watchMachine } from './agent.ts'

const config = { hypervisor: { path: '/usr/bin/vmm' } }
const killed = new KataError('SANDBOX_DIED', { id: 'pod', reason: 'no memory', tail: '' })

function watched({ outOfMemory = undefined as KataError | undefined } = {}) {
  const vmm = new VmmDouble()
  const giveUp = new AbortController()
  const exited = Promise.withResolvers<ExitInfo>()
  const end = watchMachine({
    id: 'pod',
    config,
    vmm,
    vmmProcess: { pid: 0 },
    cgroups: { outOfMemory: () => outOfMemory },
    share: { share: { exited: exited.promise } },
    signal: giveUp.signal,
  })
  return { vmm, giveUp, end }
}

test('the end of the machine is known by its VMM', async () => {
  const { vmm, end } = watched()
  vmm.end({ reason: 'guest-panicked', consoleTail: 'Kernel panic', logTail: '' })
  expect(String(await end.lost)).toContain('[VMM_GUEST_PANICKED]')
})

test('what the kernel ended for want of memory is told as that', async () => {
  const { vmm, end } = watched({ outOfMemory: killed })
  vmm.end({ reason: 'exited', consoleTail: '', logTail: '' })
  expect(await end.lost).toBe(killed)
})

test('what breaks after the start was given up is no loss', async () => {
  const { vmm, giveUp, end } = watched()
  giveUp.abort()
  vmm.end({ reason: 'exited', consoleTail: '', logTail: '' })
  expect({ isOver: end.over.aborted, isLost: end.isLost }).toEqual({ isOver: true, isLost: false })
})

test('the agent’s connection is that of the VMM’s port, and its loss is explained by the end of the machine', async () => {
  const { vmm, end, giveUp } = watched()
  let explain: ((lost: KataError) => Promise<KataError>) | undefined
  const connection = {
    closed: new Promise<never>(() => {}),
    explainLossBy: (by: typeof explain) => {
      explain = by
    },
  } as unknown as AgentConnection
  const asked: unknown[] = []
  const connectAgent = async (endpoint: unknown) => {
    asked.push(endpoint)
    return connection
  }
  const options = { end, log: silentLogger, signal: giveUp.signal }
  expect(await connectToGuest({ connectAgent }, vmm, options)).toBe(connection)
  expect(asked).toEqual([vmm.agent])
  vmm.end({ reason: 'guest-panicked', consoleTail: 'Kernel panic', logTail: '' })
  const lost = new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' })
  expect(String(await explain!(lost))).toContain('[VMM_GUEST_PANICKED]')
})
