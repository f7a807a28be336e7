/** `update` of a container whose first start is under way, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { readShimProcess } from '../../../bundle/shim-process.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { eventually, testClient } from '../../client/client.double.ts'
import { readRecord, recordPaths } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

test('update takes a policy during the first start, and gives the container its limits once that is done', async () => {
  await using client = testClient()
  const bundle = `${client.base}/state/containers/default/web/bundle`
  const limitsIn = (text: string) => JSON.parse(text).linux?.resources?.memory
  const starting = client.start('web', ['sh', '-c', 'sleep 60', 'made-when-told'])
  await eventually(() => existsSync(`${bundle}/being-made`))
  expect(await client.kata('update', '--restart', 'always', 'web')).toMatchObject({ code: 0, stderr: '' })
  const before = limitsIn(readFileSync(`${bundle}/config.json`, 'utf8'))
  const updating = client.kata('update', '-m', '256M', 'web')
  expect(await Promise.race([updating, Bun.sleep(3000)])).toBeUndefined()
  expect(limitsIn(readFileSync(`${bundle}/config.json`, 'utf8'))).toEqual(before)
  writeFileSync(`${bundle}/make`, '')
  await starting
  expect(await updating).toEqual({ code: 0, stdout: 'web\n', stderr: '' })
  const limit = 256 * 2 ** 20
  expect(JSON.parse(readFileSync(`${bundle}/limits`, 'utf8'))).toEqual({ memory: { limit } })
  expect(limitsIn(readFileSync(`${bundle}/config.json`, 'utf8'))).toMatchObject({ limit })
  const { owner } = readRecord(`${client.base}/state`, 'default', 'web')
  expect(owner !== undefined && isAlive(owner)).toBe(true)
})

test.each([[['-m', '256M']], [['--restart', 'always']]])(
  'update of what a first start that fails leaves behind is none: %j',
  async (change) => {
    await using client = testClient()
    const { bundle } = recordPaths(`${client.base}/state`, 'default', 'half')
    const making = client.spawn(['run', '-d', '--name', 'half', '--rootfs', client.base, '--', 'never-made'])
    await eventually(() => existsSync(`${bundle}/being-made`))
    // Its client cleans up late.
    making.kill('SIGSTOP')
    process.kill(readShimProcess(bundle)!.pid, 'SIGKILL')
    await eventually(async () => (await client.list())[0]?.status === 'dead')
    const updating = client.kata('update', ...change, 'half')
    expect(await Promise.race([updating, Bun.sleep(3000)])).toBeUndefined()
    making.kill('SIGCONT')
    expect(await updating).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('[CONTAINER_NOT_FOUND]'),
    })
    expect(await making.exited).toBe(125)
    expect(client.leftovers()).toEqual([])
  },
)
