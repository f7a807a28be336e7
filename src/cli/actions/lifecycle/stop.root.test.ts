/** `stop` and `wait` against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { processRef } from '../../../linux/processes/proc.ts'
import { silentLogger } from '../../../log.ts'
import { eventually, testClient } from '../../client/client.double.ts'
import { readRecord, updateRecord } from '../../client/record.ts'
import { observe } from '../../client/status.ts'
import type { Settings } from '../../settings.ts'
import { kill } from './kill.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

/** Says when it is ready, and which signal it got. */
const listens = (signal: string, then: string) => [
  ...['sh', '-c', `trap '${then}' ${signal}; echo ready; while :; do sleep 0.02; done`],
]

test('stop asks with SIGTERM, waits for the end, and leaves the record with its exit code', async () => {
  await using client = testClient()
  await client.start('polite', listens('TERM', 'exit 7'))
  await eventually(async () => (await client.kata('logs', 'polite')).stdout === 'ready\n')
  expect(await client.kata('stop', 'polite')).toEqual({ code: 0, stdout: 'polite\n', stderr: '' })
  const [listed] = await client.list()
  expect(listed).toMatchObject({ status: 'stopped', exitCode: 7, shimPid: null })
  // Again, there is nothing to do.
  expect(await client.kata('stop', 'polite')).toEqual({ code: 0, stdout: 'polite\n', stderr: '' })
  expect(await client.kata('wait', 'polite')).toEqual({ code: 0, stdout: '7\n', stderr: '' })
})

test('stop kills what does not end in time, and what is given no time', async () => {
  await using client = testClient()
  for (const [name, ...options] of [
    ['deaf', '--time', '1'],
    ['hurried', '-t', '0'],
  ] as const) {
    await client.start(name, listens('TERM', 'echo not yet'))
    await eventually(async () => (await client.kata('logs', name)).stdout === 'ready\n')
    expect((await client.kata('stop', ...options, name)).code).toBe(0)
    expect((await client.kata('wait', name)).stdout).toBe('137\n')
    expect((await client.kata('logs', name)).stdout.includes('not yet')).toBe(name === 'deaf')
  }
})

test.each([[['stop', '-t', '20']], [['kill', '-s', 'TERM']]])(
  'a paused container goes on to handle the signal by which it is to end, and no other: %j',
  async (command) => {
    await using client = testClient()
    const [shell, option, script] = listens('TERM', 'exit 7')
    await client.start('frozen', [shell!, option!, `trap '' HUP; ${script}`])
    await eventually(async () => (await client.kata('logs', 'frozen')).stdout === 'ready\n')
    await client.kata('pause', 'frozen')
    expect((await client.kata('kill', '-s', 'HUP', 'frozen')).code).toBe(0)
    expect(await client.list()).toMatchObject([{ status: 'paused' }])
    expect((await client.kata(...command, 'frozen')).code).toBe(0)
    expect((await client.kata('wait', 'frozen')).stdout).toBe('7\n')
  },
)

test.each([[[]], [['--health-cmd', 'true', '--health-interval', '1h']]])(
  'what was killed has ended, and was cleaned up after, once kill returns: %j',
  async (options) => {
    await using client = testClient()
    await client.start('killed', ['sleep', '60'], options)
    const stateDir = `${client.base}/state`
    const where = { stateDir, runDir: `${client.base}/run`, namespace: 'default', format: 'text' }
    const settings = { ...where, print: () => true, tell: () => {}, log: silentLogger } as unknown as Settings
    // In this process: a command of its own would come after the end, whoever had waited for that.
    expect(await kill(settings, { signal: 'KILL', all: false }, ['killed'])).toBe(0)
    const record = readRecord(stateDir, 'default', 'killed')
    if (options.length > 0) expect(record.status).toBe('stopped')
    expect((await observe(record)).status).toBe('stopped')
    expect((await client.kata('rm', 'killed')).code).toBe(0)
  },
)

test('what can never come is not waited for, and any signal goes to all processes', async () => {
  await using client = testClient()
  await client.start('plain', ['sleep', '60'])
  expect(await client.kata('wait', '--condition', 'healthy', 'plain')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the container has no health check'),
  })
  expect((await client.kata('kill', '--all', '--signal', 'TERM', 'plain')).code).toBe(0)
  expect((await client.kata('wait', 'plain')).stdout).toBe('143\n')
})

test('what has ended is not waited for until it is healthy', async () => {
  await using client = testClient()
  await client.start('over', ['true'], ['--health-cmd', 'true', '--health-interval', '1h'])
  const waiting = client.kata('wait', '--condition', 'healthy', 'over')
  expect(await Promise.race([waiting, Bun.sleep(20_000)])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[CONTAINER_NOT_RUNNING] container over is stopped'),
  })
})

test('wait has the exit code of one whose client is just cleaning up', async () => {
  await using client = testClient()
  await client.start('ends', ['sleep', '60'])
  process.kill((await client.list())[0]!.shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list())[0]?.status === 'dead')
  const state = `${client.base}/state`
  // Its client, which has ended the shim, is this process.
  updateRecord(state, 'default', 'ends', { owner: processRef(process.pid)! })
  const waiting = client.kata('wait', 'ends')
  expect(await Promise.race([waiting, Bun.sleep(3000)])).toBeUndefined()
  updateRecord(state, 'default', 'ends', { status: 'stopped', exitCode: 7, owner: undefined })
  expect(await waiting).toEqual({ code: 0, stdout: '7\n', stderr: '' })
})

test('the signal and the time are the container’s, unless stop is told others', async () => {
  await using client = testClient()
  const options = ['--stop-signal', 'INT', '--stop-timeout', '-1']
  for (const [name, signal, stop] of [
    ['own', 'INT', []],
    ['told', 'HUP', ['--signal', 'HUP']],
  ] as const) {
    await client.start(name, listens(signal, 'exit 3'), options)
    await eventually(async () => (await client.kata('logs', name)).stdout === 'ready\n')
    expect((await client.kata('stop', ...stop, name)).code).toBe(0)
    expect((await client.kata('wait', name)).stdout).toBe('3\n')
  }
})

test('a container with --rm is gone once stop returns', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '30'], ['--rm'])
  expect((await client.kata('stop', 'brief')).code).toBe(0)
  expect(client.leftovers()).toEqual([])
})

test('stop releases what ended by itself', async () => {
  await using client = testClient()
  await client.start('ended', ['sh', '-c', 'exit 5'])
  await eventually(async () => (await client.list())[0]?.status === 'stopped')
  expect(existsSync(`${client.base}/run/ended.sock`)).toBe(true)
  expect((await client.kata('stop', 'ended')).code).toBe(0)
  expect(existsSync(`${client.base}/run/ended.sock`)).toBe(false)
  expect((await client.kata('wait', 'ended')).stdout).toBe('5\n')
})

test('one that has died with its shim, or with its host, is stopped by what releases the rest', async () => {
  await using client = testClient()
  for (const name of ['lost', 'booted']) await client.start(name, ['sleep', '60'])
  for (const { shimPid } of await client.list()) process.kill(shimPid!, 'SIGKILL')
  updateRecord(`${client.base}/state`, 'default', 'booted', { bootId: 'before' })
  await eventually(async () => (await client.list()).every(({ status }) => status === 'dead'))
  const names = ['lost', 'booted']
  expect(await client.kata('stop', ...names)).toEqual({ code: 0, stdout: 'lost\nbooted\n', stderr: '' })
  expect((await client.list()).map(({ status, exitCode }) => [status, exitCode])).toEqual([
    ['stopped', 137],
    ['stopped', 137],
  ])
  for (const name of names) expect(existsSync(`${client.base}/run/${name}.sock`)).toBe(false)
  // A signal has nobody to go to.
  expect((await client.kata('kill', 'lost')).stderr).toContain('[CONTAINER_NOT_RUNNING]')
})

test('wait prints the exit codes in the order of the names, and fails for those that are not there', async () => {
  await using client = testClient()
  await client.start('slow', ['sh', '-c', 'sleep 0.5; exit 1'])
  await client.start('fast', ['sh', '-c', 'exit 2'])
  const { code, stdout, stderr } = await client.kata('wait', 'slow', 'nobody', 'fast')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '1\n2\n' })
  expect(stderr).toContain('[CONTAINER_NOT_FOUND] there is no container "nobody"')
  expect((await client.kata('wait', '--format', 'json', 'fast')).stdout).toBe('[2]\n')
})

test.each([
  [['stop', '--time', 'soon', 'x'], '--timeout does not take "soon"'],
  [['stop', '--signal', 'NOPE', 'x'], '--signal does not take "NOPE"'],
  [['run', '--stop-signal', 'NOPE', 'true'], '--stop-signal does not take "NOPE"'],
  [['run', '--stop-timeout', '-2', 'true'], '--stop-timeout does not take "-2"'],
])('%j is refused', async (args, problem) => {
  await using client = testClient()
  const { code, stderr } = await client.kata(...args)
  expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining(problem) })
})
