/** Commands that come when a container with `--restart` has ended, and its monitor has not cleaned up yet, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { signalProcess } from '../../../linux/processes/signal.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'
import { readRecord } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

const directoryOf = ({ base }: TestClient, id: string) => `${base}/state/containers/default/${id}`
const read = ({ base }: TestClient, id: string) => readRecord(`${base}/state`, 'default', id)

/** Whether a command has the container in hand; taking the lock to know that would keep it out. */
function isLocked(client: TestClient, id: string): boolean {
  const { ino } = statSync(directoryOf(client, id))
  return readFileSync('/proc/locks', 'utf8').includes(`:${ino} `)
}

/** A container that has ended, whose monitor does nothing until it is sent CONT. */
async function justEnded(client: TestClient, id: string): Promise<Disposable & { cleanUp(): void }> {
  await client.start(id, ['sleep', '60'], ['--restart', 'always'])
  const owner = read(client, id).owner!
  signalProcess(owner, 'SIGSTOP')
  await client.kata('kill', '--signal', 'HUP', id)
  await eventually(async () => (await client.list()).find((one) => one.id === id)?.status === 'stopped')
  const cleanUp = () => signalProcess(owner, 'SIGCONT')
  // A test that fails before that leaves no process.
  return { cleanUp, [Symbol.dispose]: cleanUp }
}

const isAgain = (client: TestClient, id: string) => () =>
  read(client, id).restarts === 1 && read(client, id).status === 'running'

test('rm leaves a container that its policy is about to start', async () => {
  await using client = testClient()
  using ended = await justEnded(client, 'web')
  const removing = client.kata('rm', 'web')
  await eventually(() => isLocked(client, 'web'))
  ended.cleanUp()
  expect(await removing).toMatchObject({ code: 1, stderr: expect.stringContaining('[CONTAINER_RUNNING]') })
  await eventually(isAgain(client, 'web'))
})

test('so does prune, which does not even name it', async () => {
  await using client = testClient()
  using ended = await justEnded(client, 'web')
  const pruned = await client.kata('prune', '--containers', '--keep-images', '--force')
  expect(pruned).toEqual({ code: 0, stdout: 'nothing to remove\n', stderr: '' })
  ended.cleanUp()
  await eventually(isAgain(client, 'web'))
})

test('start leaves it to the policy, and rename is refused', async () => {
  await using client = testClient()
  for (const [id, args, outcome] of [
    ['web', ['start', 'web'], { code: 0, stderr: '' }],
    ['db', ['rename', 'db', 'new'], { code: 1, stderr: expect.stringContaining('[CONTAINER_RUNNING]') }],
  ] as const) {
    using ended = await justEnded(client, id)
    const command = client.kata(...args)
    await eventually(() => isLocked(client, id))
    ended.cleanUp()
    expect(await command).toMatchObject(outcome)
    await eventually(isAgain(client, id))
  }
})

test('neither rm nor rename takes one whose shim died, while its monitor is there', async () => {
  await using client = testClient()
  await client.start('web', ['sleep', '60'], ['--restart', 'always'])
  const owner = read(client, 'web').owner!
  signalProcess(owner, 'SIGSTOP')
  using _goesOn = { [Symbol.dispose]: () => signalProcess(owner, 'SIGCONT') }
  process.kill((await client.list())[0]!.shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list())[0]!.status === 'dead')
  for (const args of [
    ['rm', 'web'],
    ['rename', 'web', 'new'],
  ])
    expect(await client.kata(...args)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[CONTAINER_RUNNING]'),
    })
  signalProcess(owner, 'SIGCONT')
  await eventually(isAgain(client, 'web'))
})
