import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateContainerRequest, CreateSandboxRequest } from '../../../src/protocol/generated/agent.ts'
import type { ContainerTools } from './container/container.ts'
import { loadOnHost } from './system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'sandbox-'))
afterAll(() => rmSync(top, { recursive: true }))

const stream = { processEnded() {}, close() {}, destroy() {} }

/** A pod with the container `c`, whose process has ended. Its share lets go of it once `fails` is empty. */
async function podWith(fails: Error[]) {
  const share = join(top, crypto.randomUUID())
  mkdirSync(`${share}.kata-containers`)
  const { Sandbox } = (await loadOnHost<typeof import('./sandbox.ts')>('sandbox.ts', share)).module
  const told: string[] = []
  const tools = {
    crun: {
      create: async () => {
        told.push('made')
        return { pid: 0, ended: Promise.resolve(0), stdio: { stdin: stream, stdout: stream, stderr: stream } }
      },
      forget: () => void told.push('forgotten'),
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
  } as unknown as ContainerTools
  const sandbox = new Sandbox(tools)
  await sandbox.create(CreateSandboxRequest.fromPartial({}))
  const make = () =>
    sandbox.createContainer(
      CreateContainerRequest.fromPartial({
        containerId: 'c',
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
