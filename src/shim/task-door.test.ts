/** The shim reads or refuses JSON from a client where it comes in. A wrong document leads to nothing else. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../log.ts'
import type { OciResources } from '../oci/resources.ts'
import type { OciProcess } from '../oci/spec.ts'
import {
  CreateTaskRequest,
  ExecProcessRequest,
  UpdateTaskRequest,
} from '../protocol/generated/containerd/task.ts'
import type { ContainerRequest } from '../sandbox/container-request.ts'
import { neverHeldUp } from '../sandbox/guest/health.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { Pod } from './daemon/pod.ts'
import { TaskService } from './task/task-service.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(`${tmpdir()}/door-`)
})
afterEach(() => rmSync(bundle, { recursive: true }))

/** A service that keeps what it was given. */
function service() {
  const came = {
    sandboxes: 0,
    containers: [] as ContainerRequest[],
    execs: [] as OciProcess[],
    updates: [] as OciResources[],
    warned: [] as unknown[],
  }
  const never = new Promise<never>(() => {})
  const process = { start: async () => {}, wait: () => never, output: async () => {}, input: async () => {} }
  const sandbox = {
    pid: 1,
    died: never,
    stopped: never,
    heldUp: neverHeldUp(),
    waited: () => 0,
    watchOom: async () => {},
    stop: async () => {},
    createContainer: async (request: ContainerRequest) => {
      came.containers.push(request)
      return {
        pid: 1,
        init: process,
        exec: (_id: string, spec: OciProcess) => {
          came.execs.push(spec)
          return process
        },
        update: async (resources: OciResources) => void came.updates.push(resources),
      }
    },
  }
  const pod = new Pod({
    id: 'c',
    createSandbox: async () => {
      came.sandboxes++
      return sandbox as unknown as Sandbox
    },
    onDied: () => {},
    onLeft: () => {},
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const tasks = new TaskService({
    pod,
    events: { publish: () => {}, flush: async () => {} },
    records: { add: () => {}, remove: () => {} },
    namespace: 'k8s.io',
    clientReturns: true,
    log: createLogger({ sink: ({ fields }) => came.warned.push(fields) }),
  })
  const create = (spec: unknown) => {
    writeFileSync(`${bundle}/config.json`, typeof spec === 'string' ? spec : JSON.stringify(spec))
    return tasks.create(CreateTaskRequest.fromPartial({ id: 'c', bundle }))
  }
  const any = (value: unknown) => ({ typeUrl: '', value: Buffer.from(JSON.stringify(value)) })
  const exec = (spec: unknown) =>
    tasks.exec(ExecProcessRequest.fromPartial({ id: 'c', execId: `e${came.execs.length}`, spec: any(spec) }))
  const update = (resources: unknown) =>
    tasks.update(UpdateTaskRequest.fromPartial({ id: 'c', resources: any(resources) }))
  return { create, exec, update, came }
}

test('a specification comes in typed and frozen, with what it says of devices decided', async () => {
  const { create, came } = service()
  await create({
    process: { args: ['sh'] },
    linux: { resources: { devices: [{ allow: true, access: 'rwm' }] } },
  })
  const [request] = came.containers
  expect(request).toMatchObject({
    id: 'c',
    bundle,
    spec: { process: { args: ['sh'] } },
    rights: { every: true },
  })
  expect(Object.isFrozen(request?.spec.process?.args)).toBe(true)
  expect(came.warned).toEqual([])
})

test.each<[string, unknown, string]>([
  [
    'a field of a wrong type',
    { mounts: [{ destination: 5 }] },
    '[OCI_SPEC_INVALID] the OCI specification is invalid: mounts[0].destination: expected a string, is a number',
  ],
  ['half a file', '{"mounts":', '[OCI_SPEC_INVALID]'],
  [
    'a path that is not absolute',
    { mounts: [{ destination: 'data' }] },
    '[SPEC_PATH] container c has a mount destination',
  ],
  [
    'a mount over the kernel’s own /proc',
    { mounts: [{ destination: '/proc/self/attr', source: '/x', type: 'bind' }] },
    '[MOUNT_ON_PROC] container c mounts something at /proc/self/attr',
  ],
  [
    'too much',
    { process: { rlimits: Array(65).fill({ type: 'RLIMIT_CORE', soft: 0, hard: 0 }) } },
    '[SPEC_LIMIT] container c asks for 65 rlimits',
  ],
])('%s is refused before there is a sandbox', async (_, spec, says) => {
  const { create, came } = service()
  await expect(create(spec)).rejects.toThrow(says)
  expect({ sandboxes: came.sandboxes, containers: came.containers }).toEqual({ sandboxes: 0, containers: [] })
  await create({ process: {} })
  expect(came.sandboxes).toBe(1)
})

test('fields that a container in a machine does not get are named in the log', async () => {
  const { create, came } = service()
  await create({ process: { scheduler: {} }, linux: { personality: {} } })
  expect(came.warned).toEqual([{ container: 'c', fields: ['process.scheduler', 'linux.personality'] }])
})

test('the process of an exec is read by the same reader', async () => {
  const { create, exec, came } = service()
  await create({})
  await exec({ args: ['ls'], cwd: '/', unknown: 1 })
  expect(came.execs).toEqual([{ args: ['ls'], cwd: '/', terminal: false }])
  await expect(exec({ args: 'ls' })).rejects.toThrow('process.args: expected a list, is a string')
  await expect(exec(null)).rejects.toThrow('process: expected an object, is null')
  await expect(exec({ env: Array(17).fill(`A=${'x'.repeat(128 * 1024 - 2)}`) })).rejects.toThrow(
    'bytes of arguments and environment; the limit is 2097152',
  )
  await expect(exec({ cwd: 'foo' })).rejects.toThrow('[SPEC_PATH] container c has a working directory')
  expect(came.execs).toHaveLength(1)
})

test('an AppArmor profile of an exec’s own is named in the log, and not again that of its container', async () => {
  const { create, exec, came } = service()
  await create({ process: { apparmorProfile: 'web' } })
  for (const apparmorProfile of ['web', undefined, 'docker-default', 'shell'])
    await exec({ args: ['ls'], cwd: '/', apparmorProfile })
  const named = { container: 'c', fields: ['process.apparmorProfile'] }
  expect(came.execs).toHaveLength(4)
  expect(came.warned).toEqual([named, named])
})

test('and so are the limits of an update', async () => {
  const { create, update, came } = service()
  await create({})
  await update({ pids: { limit: 5 }, memory: { limit: 1024 } })
  expect(came.updates).toEqual([{ pids: { limit: 5 }, memory: { limit: 1024 } }])
  await expect(update({ memory: { limit: '1G' } })).rejects.toThrow(
    'linux.resources.memory.limit: expected a whole number, or -1 for no limit, is a string',
  )
  expect(came.updates).toHaveLength(1)
})
