/**
 * A fault at every moment at which the hooks of a client are held or run, over the shim's own interface, as Docker uses it:
 * afterwards the host is as before, and the hooks that take the client's network away have run.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defaultSpec } from '../src/oci/defaults/default-spec.ts'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { makeRootfs } from './agent/guest.ts'
import { ownDirectory } from './harness/directories.ts'
import { type HostState, hostState } from './harness/host/host.ts'
import { expectNothingLeft } from './harness/host/nothing-left.ts'
import { scratch } from './harness/kata.ts'

const build = resolve(import.meta.dir, '../build')
const files = scratch()
let runDir: string
let before: HostState
beforeAll(() => {
  runDir = ownDirectory('/run/kt-')
  before = hostState(runDir)
})
afterAll(() => {
  rmSync(runDir, { recursive: true, force: true })
  files[Symbol.dispose]()
})

let id = ''
let runs = 0
beforeEach(() => {
  id = `hooks-${++runs}`
})
const path = (name: string) => `${files.path}/${id}/${name}`
const told = () =>
  existsSync(path('told')) ? readFileSync(path('told'), 'utf8').split('\n').filter(Boolean) : []

/** A container whose client makes its network by hooks: each leaves its name. With `status` the first of them fails. */
function makeBundle(status: number): void {
  mkdirSync(path('bundle'), { recursive: true })
  const hook = (name: string, status = 0) => ({
    path: '/bin/sh',
    args: ['sh', '-c', `echo ${name} >>${path('told')}; exit ${status}`],
  })
  const spec = defaultSpec({
    args: ['true'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: id,
    readonly: false,
    rootfs: makeRootfs(path('bundle'), 'rootfs'),
    mounts: [],
  })
  const hooks = { createRuntime: [hook('made', status)], poststop: [hook('removed')] }
  writeFileSync(path('bundle/config.json'), JSON.stringify({ ...spec, hooks }))
}

const shim = (action: string, env: Record<string, string>) =>
  Bun.spawnSync(
    [
      ...[`${build}/containerd-shim-kata-ts-v2`, '-namespace', 'default', '-id', id],
      ...['-bundle', path('bundle'), '-run-dir', runDir, action],
    ],
    { cwd: path('bundle'), env: { PATH: process.env.PATH ?? '', ...env } },
  )

test.each([
  'before-take:poststop-hooks=fail',
  'before-take:poststop-hooks=kill',
  'after-take:poststop-hooks=fail',
  'after-take:poststop-hooks=kill',
  'before-release:poststop-hooks=fail',
  'before-release:poststop-hooks=kill',
  'after-release:poststop-hooks=fail',
  'after-release:poststop-hooks=kill',
])('%s: delete or gc leaves nothing, and the network is taken away', async (fault) => {
  const point = fault.split('=')[0]!
  // A hook that fails ends the start: what was taken is released, without a machine.
  makeBundle(point.includes('release') ? 1 : 0)
  const env = { KATA_TS_FAILPOINTS: fault, KATA_TS_FAILPOINTS_REACHED: path('reached') }
  const address = shim('start', env).stdout.toString().trim()
  const task = createClient(TaskDefinition, connect(await connectUnix(address.replace('unix://', ''))))
  await expect(task.create({ id, bundle: path('bundle') })).rejects.toThrow()
  await task.shutdown({ id, now: true }).catch(() => {})
  expect(readFileSync(path('reached'), 'utf8').split('\n')).toContain(`serve/${point}`)
  shim('delete', {})
  const gc = Bun.spawnSync([`${build}/kata-ts`, '--run-dir', runDir, 'gc'])
  expect(gc.exitCode).toBe(0)
  await expectNothingLeft(before, runDir)
  // A client's network that was made, or may have been, is taken away; twice is no harm, as after a crash nobody knows.
  const made = point !== 'before-take:poststop-hooks'
  expect(told().filter((name) => name === 'made')).toHaveLength(made ? 1 : 0)
  expect(told().includes('removed')).toBe(true)
})
