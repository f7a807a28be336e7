/** `rm` beside commands that have the container in hand, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readShimProcess } from '../../../bundle/shim-process.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'
import { readRecord, updateRecord } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const directoryOf = (client: TestClient, id: string) => `${client.base}/state/containers/default/${id}`

test('rm --force ends the making of a container, whose client cleans up', async () => {
  await using client = testClient()
  const making = client.spawn(['run', '--name', 'half', '--rootfs', client.base, '--', 'never-made'])
  await eventually(async () => (await client.list())[0]?.status === 'creating')
  const begin = Date.now()
  expect(await client.kata('rm', '--force', 'half')).toEqual({ code: 0, stdout: 'half\n', stderr: '' })
  // Its client would have been waited for as long as it tries.
  expect(Date.now() - begin).toBeLessThan(20_000)
  expect(await making.exited).toBe(125)
  expect(client.leftovers()).toEqual([])
})

test('a client that lost its container takes nothing from another one that has the name by then', async () => {
  await using client = testClient()
  const first = client.spawn(['run', '--name', 'name', '--rootfs', client.base, '--', 'never-made'])
  const state = `${client.base}/state`
  await eventually(async () => (await client.list())[0]?.status === 'creating')
  await eventually(() => readRecord(state, 'default', 'name').address !== undefined)
  // It waits for an answer to Create from then on.
  await Bun.sleep(300)
  first.kill('SIGSTOP')
  process.kill(readShimProcess(`${directoryOf(client, 'name')}/bundle`)!.pid, 'SIGKILL')
  renameSync(directoryOf(client, 'name'), `${client.base}/removed`)
  rmSync(`${client.base}/run/name.sock`)
  await client.start('name', ['sleep', '60'])
  first.kill('SIGCONT')
  expect(await first.exited).toBe(125)
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'name', status: 'running' })])
})

test('a suspended container is neither removed nor stopped while another command has it in hand', async () => {
  await using client = testClient()
  await client.start('kept', ['true'])
  await client.kata('stop', 'kept')
  const directory = directoryOf(client, 'kept')
  mkdirSync(`${directory}/suspended`)
  writeFileSync(`${directory}/suspended/checkpoint.json`, '{}')
  updateRecord(`${client.base}/state`, 'default', 'kept', { status: 'suspended' })
  await underDirectoryLock(directory, 1000, async () => {
    for (const command of ['rm', 'stop'])
      expect(await client.kata(command, 'kept')).toMatchObject({
        ...{ code: 1, stderr: expect.stringContaining('[CONTAINER_BUSY]') },
      })
  })
  expect(existsSync(`${directory}/suspended/checkpoint.json`)).toBe(true)
  expect((await client.kata('stop', 'kept')).code).toBe(0)
  expect(existsSync(`${directory}/suspended`)).toBe(false)
  expect((await client.kata('rm', 'kept')).code).toBe(0)
})
