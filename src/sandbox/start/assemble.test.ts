import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Ledger } from '../../ledger/ledger.ts'
import { CgroupStats } from '../../protocol/generated/agent.ts'
import { MachineEnd } from '../end/machine-end.ts'
import { treeResource } from '../storage/tree.ts'
import { assembleSandbox, type MadeParts } from './assemble.ts'
import { HostDouble } from './doubles/host.double.ts'
import { VmmDouble } from './doubles/vmm.double.ts'

const never = new Promise<never>(() => {})

/** What a start has when the guest of a VMM without a shared file system has answered. */
function made(double: HostDouble, signal: AbortSignal) {
  const { config, log } = double.request()
  const ledger = new Ledger(join(double.directory, 'ledger'), [treeResource], log)
  const end = new MachineEnd({
    id: 'pod',
    program: '/vmm',
    consoleTail: () => '',
    outOfMemory: () => undefined,
  })
  const placed: string[] = []
  const parts = {
    id: 'pod',
    config,
    log,
    ledger,
    end,
    signal,
    network: { lookAfter: () => {} },
    served: undefined,
    paths: { runDir: double.directory, stateDir: double.directory, diskDir: join(double.directory, 'disks') },
    vmm: new VmmDouble(),
    vmmProcess: { pid: 4711, startTime: '1' },
    agent: { agent: double.kata.agent, health: { check: () => never }, close: () => {} },
    agentFacts: { name: 'kata', version: '4.1.0', seccomp: false, memoryBlockMiB: 128 },
    cgroups: {
      usage: () => CgroupStats.fromPartial({}),
      allowMemory: () => placed.push('allow'),
      confine: () => placed.push('confine'),
      placeVcpus: async (pid: number) => void placed.push(`place ${pid}`),
    },
    machine: { plan: { vcpus: 1, memoryMiB: 256, maxVcpus: 2, maxMemoryMiB: 0 } },
  }
  return { parts: parts as unknown as MadeParts, ledger, placed }
}

test('without a shared file system the sandbox has a directory for its disks, held by the ledger', async () => {
  using double = new HostDouble()
  const { parts, ledger } = made(double, new AbortController().signal)
  const sandbox = await assembleSandbox(parts)
  expect({ pid: sandbox.pid, held: ledger.held }).toEqual({ pid: 4711, held: ['tree'] })
  expect(existsSync(parts.paths.diskDir)).toBe(true)
  await sandbox.stop()
  expect(existsSync(parts.paths.diskDir)).toBe(false)
})

test('a start that was given up becomes no sandbox', async () => {
  using double = new HostDouble()
  const reason = new Error('given up')
  const { parts, ledger } = made(double, AbortSignal.abort(reason))
  await expect(assembleSandbox(parts)).rejects.toBe(reason)
  expect(ledger.held).toEqual([])
})
