/** `rm` beside commands that have the container in hand, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readShimProcess } from '../../../bundle/shim-process.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'
import { isStopWanted } from '../../client/life/restarts.ts'
import { readRecord, updateRecord } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const directoryOf = (client: TestClient, id: string) => `${client.base}/state/containers/default/${id}`

test('rm --force ends the making of a container, whose client cleans up', async () => {
  await using client = testClient()
  const making = client.spawn(['run', '--name', 'half', '--rootfs', client.base, '--', 'never-made'])
  await eventually(async () => (await client.list())[0]?.status === 'creating')
  await eventually(() => readRecord(`${client.base}/state`, 'default', 'half').address !== undefined)
  // It does nothing meanwhile: that its shim ends is rm's doing.
  making.kill('SIGSTOP')
  const shim = readShimProcess(`${directoryOf(client, 'half')}/bundle`)!
  const removing = client.kata('rm', '--force', 'half')
  await eventually(() => !isAlive(shim))
  making.kill('SIGCONT')
  expect(await removing).toEqual({ code: 0, stdout: 'half\n', stderr: '' })
  expect(await making.exited).toBe(125)
  expect(client.leftovers()).toEqual([])
})

test('a client that lost its container takes nothing from another one that has the name by then', async () => {
  await using client = testClient()
  const first = client.spawn(['run', '--name', 'name', '--rootfs', client.base, '--', 'never-made'])
  // It waits for an answer to Create from then on.
  await eventually(() => existsSync(`${directoryOf(client, 'name')}/bundle/being-made`))
  first.kill('SIGSTOP')
  process.kill(readShimProcess(`${directoryOf(client, 'name')}/bundle`)!.pid, 'SIGKILL')
  renameSync(directoryOf(client, 'name'), `${client.base}/removed`)
  rmSync(`${client.base}/run/name.sock`)
  await client.start('name', ['sleep', '60'])
  first.kill('SIGCONT')
  expect(await first.exited).toBe(125)
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'name', status: 'running' })])
})

test('one that has ended is not removed while another command is about to start it', async () => {
  await using client = testClient()
  await client.start('over', ['true'])
  await eventually(async () => (await client.list())[0]?.status === 'stopped')
  await underDirectoryLock(directoryOf(client, 'over'), 1000, async () => {
    expect(await client.kata('rm', 'over')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[CONTAINER_BUSY]'),
    })
  })
  expect(await client.kata('rm', 'over')).toEqual({ code: 0, stdout: 'over\n', stderr: '' })
  expect(client.leftovers()).toEqual([])
})

test('prune names what it has removed, and not what another command has in hand', async () => {
  await using client = testClient()
  for (const name of ['free', 'held']) await client.start(name, ['true'])
  await client.kata('stop', 'free', 'held')
  await underDirectoryLock(directoryOf(client, 'held'), 1000, async () => {
    const prune = ['prune', '--containers', '--keep-images', '--force', '--format', 'json']
    const { code, stdout, stderr } = await client.kata(...prune)
    expect({ code, removed: JSON.parse(stdout).containers }).toEqual({ code: 1, removed: ['free'] })
    expect(stderr).toContain('[CONTAINER_BUSY]')
  })
  expect((await client.list()).map(({ id }) => id)).toEqual(['held'])
})

test('stop ends what ran when it was called, and not what another command has started since', async () => {
  await using client = testClient()
  const state = `${client.base}/state`
  await client.start('twice', ['sleep', '60'])
  let stopping: ReturnType<TestClient['kata']> | undefined
  await underDirectoryLock(directoryOf(client, 'twice'), 1000, async () => {
    stopping = client.kata('stop', '-t', '0', 'twice')
    await eventually(async () => (await client.list())[0]?.status === 'stopped')
    // As a command notes it that has released the first run, and begun another.
    updateRecord(state, 'default', 'twice', { startedAt: new Date().toISOString() })
  })
  expect(await stopping).toEqual({ code: 0, stdout: 'twice\n', stderr: '' })
  expect(readRecord(state, 'default', 'twice').status).toBe('running')
})

test('update waits for a command that has the container in hand', async () => {
  await using client = testClient()
  const policy = () => readRecord(`${client.base}/state`, 'default', 'kept').restart
  await client.start('kept', ['true'])
  let updating: ReturnType<TestClient['kata']> | undefined
  await underDirectoryLock(directoryOf(client, 'kept'), 1000, async () => {
    updating = client.kata('update', '--restart', 'always', 'kept')
    expect(await Promise.race([updating, Bun.sleep(3000)])).toBeUndefined()
    expect(policy()).toBeUndefined()
  })
  expect(await updating).toMatchObject({ code: 0 })
  expect(policy()).toMatchObject({ name: 'always' })
  // Less than this does not start.
  expect((await client.kata('update', '-m', '1M', 'kept')).stderr).toContain('[OPTION_INVALID] --memory')
})

test('a suspended container is neither removed nor stopped while another command has it in hand', async () => {
  await using client = testClient()
  await client.start('kept', ['true'])
  await client.kata('stop', 'kept')
  const directory = directoryOf(client, 'kept')
  mkdirSync(`${directory}/suspended`)
  writeFileSync(`${directory}/suspended/checkpoint.json`, '{}')
  const restart = { name: 'always', most: 0 } as const
  updateRecord(`${client.base}/state`, 'default', 'kept', { status: 'suspended', restart })
  await underDirectoryLock(directory, 1000, async () => {
    // One that is to go in any case waits for its turn, and changes no policy either.
    for (const command of [['rm'], ['stop'], ['rm', '--force']])
      expect(await client.kata(...command, 'kept')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('[CONTAINER_BUSY]'),
      })
  })
  expect(existsSync(`${directory}/suspended/checkpoint.json`)).toBe(true)
  expect(isStopWanted(readRecord(`${client.base}/state`, 'default', 'kept'))).toBe(false)
  expect((await client.kata('stop', 'kept')).code).toBe(0)
  expect(existsSync(`${directory}/suspended`)).toBe(false)
  expect((await client.kata('rm', 'kept')).code).toBe(0)
})
