import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateProtocol } from '../../setup/protocol/generate.ts'
import { AgentServiceDefinition, CreateContainerRequest } from './generated/agent.ts'
import { CreateSandboxRequest, SandboxDefinition } from './generated/containerd/sandbox.ts'
import { StateResponse, TaskDefinition } from './generated/containerd/task.ts'
import { HealthDefinition } from './generated/health.ts'

function contents(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(dir.length + 1), readFileSync(path, 'utf8')]),
  )
}

test('the committed code is what the generator makes of the .proto files', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'generated-'))
  try {
    await generateProtocol(dir)
    const made = contents(dir)
    const committed = contents(join(import.meta.dir, 'generated'))
    expect(Object.keys(made)).toEqual(Object.keys(committed))
    expect(Object.keys(made).filter((name) => made[name] !== committed[name])).toEqual([])
  } finally {
    rmSync(dir, { recursive: true })
  }
}, 30_000)

test('services have the names that peers call them by', () => {
  expect(AgentServiceDefinition.fullName).toBe('grpc.AgentService')
  expect(HealthDefinition.fullName).toBe('grpc.Health')
  expect(TaskDefinition.fullName).toBe('containerd.task.v2.Task')
  expect(Object.values(TaskDefinition.methods).map((method) => method.name)).toEqual([
    'State',
    'Create',
    'Start',
    'Delete',
    'Pids',
    'Pause',
    'Resume',
    'Checkpoint',
    'Kill',
    'Exec',
    'ResizePty',
    'CloseIO',
    'Update',
    'Wait',
    'Stats',
    'Connect',
    'Shutdown',
  ])
})

test('the sandbox service has the name and the calls that containerd 2 makes', () => {
  expect(SandboxDefinition.fullName).toBe('containerd.runtime.sandbox.v1.Sandbox')
  expect(Object.values(SandboxDefinition.methods).map((method) => method.name)).toEqual([
    'CreateSandbox',
    'StartSandbox',
    'Platform',
    'StopSandbox',
    'WaitSandbox',
    'SandboxStatus',
    'PingSandbox',
    'ShutdownSandbox',
    'SandboxMetrics',
  ])
  const request = CreateSandboxRequest.fromPartial({ sandboxId: 's', bundlePath: 'b', netnsPath: 'n' })
  // 1: 's', 2: 'b', 5: 'n'
  expect(Buffer.from(CreateSandboxRequest.encode(request).finish()).toString('hex')).toBe(
    '0a0173' + '120162' + '2a016e',
  )
})

test('fields have the numbers of the protocol', () => {
  const request = CreateContainerRequest.fromPartial({
    containerId: 'c',
    execId: 'e',
    oci: { linux: { resources: { pids: { limit: 5n } } } },
    sandboxPidns: true,
  })
  // 1: 'c', 2: 'e', 6: Spec { 8: Linux { 4: LinuxResources { 4: LinuxPids { 1: 5 } } } }, 7: true
  expect(Buffer.from(CreateContainerRequest.encode(request).finish()).toString('hex')).toBe(
    '0a0163' + '120165' + '3208' + '4206' + '2204' + '2202' + '0805' + '3801',
  )
  const state = StateResponse.fromPartial({
    status: 2,
    exitStatus: 137,
    exitedAt: { seconds: 7n },
    execId: 'x',
  })
  // 4: running, 9: 137, 10: Timestamp { 1: 7 }, 11: 'x'
  expect(Buffer.from(StateResponse.encode(state).finish()).toString('hex')).toBe(
    '2002' + '488901' + '52020807' + '5a0178',
  )
})
