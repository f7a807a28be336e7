/** `gc`, and `rm --force`, of containers whose processes have no number here, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync, symlinkSync } from 'node:fs'
import { readShimProcess, writeShimProcess } from '../../bundle/shim-process.ts'
import { isAlive } from '../../linux/processes/proc.ts'
import { killAndWait } from '../../linux/processes/signal.ts'
import { eventually, type TestClient, testClient } from '../client/client.double.ts'
import { readRecord, recordPaths, updateRecord } from '../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

/** A pid namespace of another process, for as long as that lives. */
async function otherNamespace(): Promise<AsyncDisposable & { readonly pidNamespace: string }> {
  const say = 'readlink /proc/self/ns/pid; exec sleep 60'
  const child = Bun.spawn(
    ['/usr/bin/unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '/bin/sh', '-c', say],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const { value } = await child.stdout.getReader().read()
  return {
    pidNamespace: new TextDecoder().decode(value).trim(),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

const collect = (client: TestClient) => client.kata('gc', '--config', `${client.base}/c.toml`)

test('a container whose shim was started in another pid namespace is not taken for dead', async () => {
  await using client = testClient()
  const range = '[hypervisor.qemu]\nrootless_uid_base = 1828716544\nrootless_uid_blocks = 1\n'
  await Bun.write(`${client.base}/c.toml`, range)
  await client.start('web', ['sleep', '60'])
  const state = `${client.base}/state`
  const { bundle } = recordPaths(state, 'default', 'web')
  const shim = readShimProcess(bundle)!
  const answered = (await client.list())[0]
  expect(answered).toMatchObject({ id: 'web', status: 'running' })
  {
    await using other = await otherNamespace()
    const { pidNamespace } = other
    writeShimProcess(bundle, { ...shim, pidNamespace })
    // As from where its socket cannot be reached.
    updateRecord(state, 'default', 'web', { address: `unix://${client.base}/elsewhere.sock` })
    const { code, stdout } = await collect(client)
    expect([code, stdout]).toEqual([1, expect.stringMatching(/default\/web +\[PROCESS_ELSEWHERE\]/)])
    expect(await client.kata('rm', '--force', 'web')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[PROCESS_ELSEWHERE]'),
    })
    expect([isAlive(shim), (await client.list()).map(({ id }) => id)]).toEqual([true, ['web']])
    // One that waits for a container is shown as alive, and not waited for.
    const owner = { ...shim, pidNamespace }
    updateRecord(state, 'default', 'web', { address: undefined, status: 'creating', owner })
    expect((await client.list())[0]).toMatchObject({ status: 'creating' })
    expect((await collect(client)).stdout).toMatch(/default\/web +\[PROCESS_ELSEWHERE\]/)
  }
  // Where its number counts, it is: the same container is collected once it is dead.
  writeShimProcess(bundle, shim)
  updateRecord(state, 'default', 'web', { owner: undefined })
  await killAndWait(shim)
  expect((await collect(client)).stdout).toMatch(/default\/web +released/)
  await eventually(async () => (await client.list())[0]?.status === 'stopped')
})

test('a container that runs without its monitor gets one, which removes it at its end', async () => {
  await using client = testClient()
  const range = '[hypervisor.qemu]\nrootless_uid_base = 1828716544\nrootless_uid_blocks = 1\n'
  await Bun.write(`${client.base}/c.toml`, range)
  await client.start('web', ['sleep', '60'], ['--rm'])
  await client.start('kept', ['sleep', '60'])
  const owner = (id: string) => readRecord(`${client.base}/state`, 'default', id).owner
  await killAndWait(owner('web')!)
  const { code, stderr } = await collect(client)
  expect([code, stderr]).toEqual([0, expect.stringContaining('container web')])
  expect([isAlive(owner('web')!), owner('kept')]).toEqual([true, undefined])
  await client.kata('kill', 'web')
  await eventually(async () => (await client.list()).map(({ id }) => id).join() === 'kept')
})

test('what a client that was killed had no time to make is removed, and does not stay as a container that cannot start', async () => {
  await using client = testClient()
  const range = '[hypervisor.qemu]\nrootless_uid_base = 1828716544\nrootless_uid_blocks = 1\n'
  await Bun.write(`${client.base}/c.toml`, range)
  await client.start('web', ['sleep', '60'])
  const state = `${client.base}/state`
  const { directory, bundle } = recordPaths(state, 'default', 'web')
  await killAndWait(readShimProcess(bundle)!)
  // As it is while the shim is being started.
  updateRecord(state, 'default', 'web', { status: 'creating', startedAt: undefined, address: undefined })
  rmSync(`${directory}/upper`, { recursive: true })
  // It comes first, and keeps nothing else from being collected.
  symlinkSync('loop', `${state}/containers/default/loop`)
  const { code, stdout } = await collect(client)
  expect([code, stdout]).toEqual([
    1,
    expect.stringMatching(/default\/loop +.*ELOOP(.|\n)*default\/web +released/),
  ])
  rmSync(`${state}/containers/default/loop`)
  expect(await client.list()).toEqual([])
})
