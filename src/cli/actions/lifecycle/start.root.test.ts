/** `start` and `restart` against a double of the shim. */

import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { markOomKilled, wasOomKilled } from '../../../bundle/oom-killed.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const directoryOf = (client: TestClient, id: string) => `${client.base}/state/containers/default/${id}`

const ended = (client: TestClient) =>
  eventually(async () => (await client.list()).every(({ status }) => status === 'stopped'))

test('a container that has ended runs again, with its files, and its log goes on', async () => {
  await using client = testClient()
  await client.start('again', ['sh', '-c', 'echo once; exit 3'])
  await ended(client)
  writeFileSync(`${directoryOf(client, 'again')}/upper/kept`, 'x')
  markOomKilled(`${directoryOf(client, 'again')}/bundle`)
  expect(await client.kata('start', 'again')).toEqual({ code: 0, stdout: 'again\n', stderr: '' })
  // A machine that is only killed loses what the guest has not written yet.
  expect(existsSync(`${directoryOf(client, 'again')}/asked-to-end`)).toBe(true)
  expect(await client.kata('wait', 'again')).toMatchObject({ stdout: '3\n' })
  expect((await client.kata('logs', 'again')).stdout).toBe('once\nonce\n')
  expect(existsSync(`${directoryOf(client, 'again')}/upper/kept`)).toBe(true)
  // Nothing of the run before is said of this one.
  expect(wasOomKilled(`${directoryOf(client, 'again')}/bundle`)).toBe(false)
  await client.kata('rm', 'again')
  expect(client.leftovers()).toEqual([])
})

test('one that ran in the foreground runs in the background, and its log goes on', async () => {
  await using client = testClient()
  await client.kata('run', '--name', 'shown', '--rootfs', client.base, '--', 'echo', 'hello')
  expect((await client.kata('start', 'shown')).code).toBe(0)
  await ended(client)
  expect((await client.kata('logs', 'shown')).stdout).toBe('hello\nhello\n')
})

test('a container that runs is left alone by start, and gets a new shim by restart', async () => {
  await using client = testClient()
  await client.start('busy', ['sleep', '30'])
  const [before] = await client.list()
  expect(await client.kata('start', 'busy')).toEqual({ code: 0, stdout: 'busy\n', stderr: '' })
  expect(await client.list()).toEqual([before!])
  expect(await client.kata('restart', '-t', '5', 'busy')).toEqual({ code: 0, stdout: 'busy\n', stderr: '' })
  const [after] = await client.list()
  expect(after).toMatchObject({ status: 'running' })
  expect(after!.shimPid).not.toBe(before!.shimPid)
})

test('a restart that is broken off while the container ends says that it stays stopped', async () => {
  await using client = testClient()
  const asked = `${client.base}/asked`
  const script = `trap 'echo >${asked}' TERM; echo ready; while :; do sleep 0.02; done`
  await client.start('slow', ['sh', '-c', script])
  await eventually(async () => (await client.kata('logs', 'slow')).stdout === 'ready\n')
  const child = client.spawn(['restart', '-t', '60', 'slow'])
  await eventually(() => existsSync(asked))
  child.kill('SIGINT')
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited])
  expect(stderr).toContain(
    'container slow may have been asked to end, and is not started again: `kata-ts start slow`',
  )
  expect([stderr.includes('interrupted by SIGINT'), code]).toEqual([true, 130])
  expect((await client.kata('start', 'slow')).code).toBe(0)
})

test('a restart that is killed while the container ends is told by ps and inspect, until the container is started or stopped', async () => {
  await using client = testClient()
  const asked = `${client.base}/asked`
  const script = `trap 'echo >${asked}; exit 4' TERM; echo ready; while :; do sleep 0.02; done`
  await client.start('slow', ['sh', '-c', script])
  const shown = async () => {
    const status = async () => (await client.kata('ps')).stdout.split('\n')[1]!
    await ended(client)
    const [inspected] = JSON.parse((await client.kata('inspect', 'slow')).stdout)
    return [(await status()).includes('stopped (4, restart cut)'), inspected.restartCut]
  }
  const cutRestart = async () => {
    await eventually(async () => (await client.kata('logs', 'slow')).stdout.endsWith('ready\n'))
    // The lock keeps the restart from the release of what has ended.
    await underDirectoryLock(directoryOf(client, 'slow'), 30_000, async () => {
      const child = client.spawn(['restart', 'slow'])
      await eventually(() => existsSync(asked))
      child.kill('SIGKILL')
      await child.exited
    })
    rmSync(asked)
  }
  await cutRestart()
  expect(await shown()).toEqual([true, true])
  expect(await client.kata('stop', 'slow')).toMatchObject({ code: 0 })
  expect(await shown()).toEqual([false, false])
  expect((await client.kata('start', 'slow')).code).toBe(0)
  await cutRestart()
  expect(await shown()).toEqual([true, true])
  expect((await client.kata('restart', 'slow')).code).toBe(0)
  expect((await client.list())[0]).toMatchObject({ status: 'running', restartCut: false })
  expect(await client.kata('stop', 'slow')).toMatchObject({ code: 0 })
  expect(await shown()).toEqual([false, false])
})

test('a start that fails keeps the container and its files', async () => {
  await using client = testClient()
  await client.start('kept', ['true'])
  await ended(client)
  const config = `${directoryOf(client, 'kept')}/bundle/config.json`
  writeFileSync(config, readFileSync(config, 'utf8').replace('"true"', '"no-such-command"'))
  const { code, stderr } = await client.kata('start', 'kept')
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('[COMMAND_NOT_FOUND]') })
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 127 })])
  expect(existsSync(`${directoryOf(client, 'kept')}/upper`)).toBe(true)
})

test('after its shim died it can be started', async () => {
  await using client = testClient()
  const running = `${client.base}/running`
  writeFileSync(running, '')
  await client.start('lost', ['sh', '-c', `while [ -e ${running} ]; do sleep 0.02; done`])
  const [listed] = await client.list()
  process.kill(listed!.shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list())[0]?.status === 'dead')
  expect((await client.kata('start', 'lost')).code).toBe(0)
  rmSync(running)
  expect((await client.kata('wait', 'lost')).stdout).toBe('0\n')
})

test('one whose command was killed between its creation and its start can be started, stopped and collected', async () => {
  await using client = testClient()
  const killed = async (id: string) => {
    await client.start(id, ['true'])
    await eventually(async () => (await client.list()).find((one) => one.id === id)?.status === 'stopped')
    const config = `${directoryOf(client, id)}/bundle/config.json`
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replace('"true"', '"never-started"'))
    const starting = client.spawn(['start', id])
    await eventually(async () => (await client.list()).find((one) => one.id === id)?.status === 'created')
    starting.kill('SIGKILL')
    await starting.exited
    writeFileSync(config, text)
  }
  await killed('again')
  expect(await client.kata('start', 'again')).toEqual({ code: 0, stdout: 'again\n', stderr: '' })
  await killed('kept')
  const range = 'rootless_uid_base = 2013265920\nrootless_uid_blocks = 1\n'
  writeFileSync(`${client.base}/c.toml`, `[hypervisor.qemu]\n${range}`)
  expect((await client.kata('gc', '--config', `${client.base}/c.toml`)).stdout).toContain('default/kept')
  expect((await client.list()).find(({ id }) => id === 'kept')).toMatchObject({ status: 'stopped' })
  expect((await client.kata('start', 'kept')).code).toBe(0)
})

test('two commands that start one container start it once', async () => {
  await using client = testClient()
  await client.start('one', ['sleep', '30'])
  await client.kata('stop', '-t', '0', 'one')
  const outcomes = await Promise.all([client.kata('start', 'one'), client.kata('start', 'one')])
  const refused = outcomes.filter(({ code }) => code !== 0)
  for (const { stderr } of refused) expect(stderr).toContain('[CONTAINER_BUSY]')
  expect(refused.length).toBeLessThan(2)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'running' })])
})

test.each([[['restart', 'web']], [['start', '--boot']]])(
  'a command that has the container in hand holds it up, and does not keep it down: %j',
  async (command) => {
    await using client = testClient()
    const words = ['--rootfs', client.base, '--', 'sleep', '60']
    await client.kata('create', '--name', 'web', '--restart', 'always', ...words)
    let starting: ReturnType<TestClient['kata']> | undefined
    // As `gc` and `update` do.
    await underDirectoryLock(directoryOf(client, 'web'), 1000, async () => {
      starting = client.kata(...command)
      expect(await Promise.race([starting, Bun.sleep(3000)])).toBeUndefined()
    })
    expect(await starting).toMatchObject({ code: 0, stderr: '' })
    expect(await client.list()).toMatchObject([{ id: 'web', status: 'running' }])
  },
)

test('one whose configuration has gone is not stopped by restart', async () => {
  await using client = testClient()
  const file = `${client.base}/configuration.toml`
  writeFileSync(file, '[hypervisor.qemu]\n', { mode: 0o600 })
  await client.start('kept', ['sleep', '60'], ['--config', file])
  rmSync(file)
  const { code, stderr } = await client.kata('restart', 'kept')
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining(`[CONFIG_NOT_FOUND] configuration file ${file}`),
  })
  expect(await client.list()).toMatchObject([{ id: 'kept', status: 'running' }])
  // A file that is there is the control.
  writeFileSync(file, '[hypervisor.qemu]\n', { mode: 0o600 })
  expect((await client.kata('restart', '-t', '0', 'kept')).code).toBe(0)
})

test('one that removes itself is neither started nor restarted', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '30'], ['--rm'])
  const { code, stderr } = await client.kata('restart', 'brief')
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('[CONTAINER_NOT_ENDED]') })
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'running' })])
})
