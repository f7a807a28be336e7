/** A start that nobody waits for any more: it ends in the middle of the boot, and nothing of it is left. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { sandboxPaths } from '../src/sandbox/records/paths.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { shimsBelow } from './harness/host/processes.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
}, slow(60_000))
afterAll(() => kata.close(), slow(60_000))

const left = () => leftBehind(before, hostState(kata.runDir))
const bundleOf = (name: string) => `${kata.stateDir}/containers/default/${name}/bundle`

/** A client whose guest boots: its kernel has spoken, and its agent has not answered. */
async function booting(name: string) {
  const client = kata.spawn(['run', '--name', name, '--', 'sleep', '300'])
  const console = `${sandboxPaths(kata.runDir, 'default', name).stateDir}/console.log`
  await eventually(
    'the guest to boot',
    () => (existsSync(console) && readFileSync(console).length > 0) || undefined,
  )
  expect(left()).not.toEqual([])
  const outcome = async () => ({
    code: await client.exited,
    stderr: await new Response(client.stderr).text(),
  })
  return { client, outcome }
}

test(
  'SIGTERM of the shim',
  async () => {
    const { outcome } = await booting('terminated')
    const [shim] = shimsBelow(kata.stateDir)
    process.kill(shim!, 'SIGTERM')
    const { code, stderr } = await outcome()
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining('[START_GIVEN_UP]') })
    expect(left()).toEqual([])
  },
  slow(60_000),
)

test(
  'Shutdown, which is answered once all is released',
  async () => {
    const { client, outcome } = await booting('shut-down')
    // It ends a shim whose start has failed, and would be quicker now and then than the answer.
    client.kill('SIGSTOP')
    const address = readFileSync(`${bundleOf('shut-down')}/address`, 'utf8').replace('unix://', '')
    const connection = connect(await connectUnix(address))
    await createClient(TaskDefinition, connection).shutdown({ id: 'shut-down', now: false })
    connection.close()
    client.kill('SIGCONT')
    expect(existsSync(sandboxPaths(kata.runDir, 'default', 'shut-down').stateDir)).toBe(false)
    const { code, stderr } = await outcome()
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining('[START_GIVEN_UP]') })
    expect(left()).toEqual([])
  },
  slow(60_000),
)

test(
  'the death of its client: the sandbox is released without anybody’s help, and the shim follows',
  async () => {
    const { client } = await booting('orphaned')
    client.kill('SIGKILL')
    await client.exited
    await eventually('nothing to be left', () => left().length === 0 || undefined, 60_000)
    await kata.call(['rm', '-f', 'orphaned'])
  },
  slow(120_000),
)
