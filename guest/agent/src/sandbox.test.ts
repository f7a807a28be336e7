import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateContainerRequest,
  CreateSandboxRequest,
  ExecProcessRequest,
} from '../../../src/protocol/generated/agent.ts'
import type { ContainerTools } from './container/container.ts'
import { loadOnHost } from './system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'sandbox-'))
afterAll(() => rmSync(top, { recursive: true }))

const stream = { processEnded() {}, close() {}, destroy() {} }
const stdio = { stdin: stream, stdout: stream, stderr: stream }
/** Those of a process that are open. */
function openStdio(open: Set<string>) {
  const opened = (name: string) => {
    open.add(name)
    const end = () => void open.delete(name)
    return { processEnded() {}, close: end, destroy: end }
  }
  return { stdin: opened('stdin'), stdout: opened('stdout'), stderr: opened('stderr') }
}

/** A pod with the container `c`, whose process has ended. Its share lets go of it once `fails` is empty. */
async function podWith(fails: Error[], more: Record<string, object> = {}) {
  const share = join(top, crypto.randomUUID())
  mkdirSync(`${share}.kata-containers`)
  const { Sandbox } = (await loadOnHost<typeof import('./sandbox.ts')>('sandbox.ts', share)).module
  const told: string[] = []
  const tools = {
    crun: {
      create: async () => {
        told.push('made')
        return { pid: 0, ended: Promise.resolve(0), stdio }
      },
      forget: () => void told.push('forgotten'),
      start: () => {},
      ...more.crun,
    },
    oom: { watch: () => ({ look() {}, stop: () => void told.push('unwatched') }) },
    sources: {
      hold: async () => {},
      leave: async () => {
        const failure = fails.shift()
        if (failure !== undefined) throw failure
        told.push('left')
      },
    },
    ...more.tools,
  } as unknown as ContainerTools
  const sandbox = new Sandbox(tools, { pid: async () => 1 })
  await sandbox.create(CreateSandboxRequest.fromPartial({}))
  const make = (containerId = 'c') =>
    sandbox.createContainer(
      CreateContainerRequest.fromPartial({
        containerId,
        oci: { process: { args: ['true'] }, root: { path: '/' } },
      }),
    )
  await make()
  return { sandbox, make, told }
}

const made = ['made', 'unwatched', 'forgotten']

test('a removal that failed can be asked for again, and takes the steps that are left', async () => {
  const { sandbox, told } = await podWith([new Error('the share is busy')])
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('the share is busy')
  expect(told).toEqual(made)
  await sandbox.removeContainer('c', 0)
  expect(told).toEqual([...made, 'left'])
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('no container c')
})

test('a container takes the name of one whose removal failed, once that has gone', async () => {
  const { sandbox, make, told } = await podWith([new Error('the share is busy'), new Error('still busy')])
  await expect(make()).rejects.toThrow('container c exists')
  await expect(sandbox.removeContainer('c', 0)).rejects.toThrow('the share is busy')
  await expect(make()).rejects.toThrow('still busy')
  await make()
  expect(told).toEqual([...made, 'left', 'made'])
})

test('a container that fails once crun has made it leaves no descriptor', async () => {
  const open = new Set<string>()
  const crun = { create: async () => ({ pid: 0, ended: Promise.resolve(0), stdio: openStdio(open) }) }
  const watch = (id: string) => {
    if (id === 'd') throw new Error('no memory.events')
    return { look() {}, stop() {} }
  }
  const { make } = await podWith([], { crun, tools: { oom: { watch } } })
  open.clear()
  await expect(make('d')).rejects.toThrow('no memory.events')
  expect([...open]).toEqual([])
})

test('a process that comes to be while its container is removed leaves no descriptor', async () => {
  const open = new Set<string>()
  const [ended, added] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()]
  const crun = {
    create: async () => ({ pid: 0, ended: ended.promise, stdio }),
    exec: async () => {
      await added.promise
      return { pid: 0, ended: Promise.resolve(137), stdio: openStdio(open) }
    },
  }
  const { sandbox } = await podWith([], { crun })
  const container = sandbox.container('c')
  container.start()
  const process = { args: ['x'], cwd: '/' }
  const exec = container.exec(ExecProcessRequest.fromPartial({ containerId: 'c', execId: 'e', process }))
  const removed = sandbox.removeContainer('c', 0)
  ended.resolve(137)
  await removed
  added.resolve()
  await expect(exec).rejects.toMatchObject({ code: 'failed_precondition' })
  expect([...open]).toEqual([])
})
