/** `logs` against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, rmSync } from 'node:fs'
import { eventually, testClient } from '../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

test('lines of both streams come in their order, and as many and from when on as was asked for', async () => {
  await using client = testClient()
  // Each stream is a pipe: one that is read late would have two lines before the other has one.
  const log = `${client.base}/state/containers/default/talker/output.log`
  const noted = `noted() { until grep -q " F $1$" ${log} 2>/dev/null; do sleep 0.02; done; sleep 0.1; }`
  const script = `${noted}
    for i in 1 2 3; do echo out $i; noted "out $i"; echo err $i >&2; noted "err $i"; done; echo last`
  await client.start('talker', ['sh', '-c', script])
  await client.kata('wait', 'talker')
  // To one file, as to a terminal.
  const merged = async (...args: string[]) => {
    const file = Bun.file(`${client.base}/merged`)
    const command = [process.execPath, `${import.meta.dir}/../client/client.host.ts`, client.base, 'logs']
    await Bun.spawn(['sh', '-c', '"$@" > "$0" 2>&1', file.name!, ...command, ...args, 'talker']).exited
    return file.text()
  }
  const all = 'out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nlast\n'
  expect(await merged()).toBe(all)
  expect(await merged('--tail', 'all')).toBe(all)
  expect(await merged('-n', '2')).toBe('err 3\nlast\n')
  const timed = await merged('-t')
  const times = timed
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ')[0]!)
  expect(times.length).toBe(7)
  expect(times).toEqual(times.toSorted())
  expect(await merged('--since', times[5]!)).toBe('err 3\nlast\n')
  expect(await merged('--until', times[0]!)).toBe('out 1\n')
  expect(await merged('--since', times[1]!, '--tail', '1', '-t')).toBe(`${times[6]} last\n`)
  expect((await client.kata('logs', 'talker')).stdout).toBe('out 1\nout 2\nout 3\nlast\n')
  const host = `${import.meta.dir}/../client/client.host.ts`
  const full = Bun.spawn([process.execPath, host, client.base, 'logs', 'talker'], {
    stdio: ['ignore', Bun.file('/dev/full'), 'pipe'],
  })
  expect(await full.stderr.text()).toContain('[OUTPUT_FAILED] standard output cannot be written (ENOSPC)')
  expect(await full.exited).toBe(1)
})

test('the bounds of the log are those of run, for a later start too', async () => {
  await using client = testClient()
  const options = ['--log-opt', 'max-size=64k', '--log-opt', 'max-file=3']
  await client.start('chatty', ['sh', '-c', 'yes 0123456789 | head -n 40000'], options)
  const logs = () =>
    readdirSync(`${client.base}/state/containers/default/chatty`).filter((name) => name.startsWith('output'))
  await eventually(async () => (await client.list())[0]?.status === 'stopped')
  expect(logs().sort()).toEqual(['output.log', 'output.log.1', 'output.log.2'])
  await client.kata('start', 'chatty')
  await client.kata('wait', 'chatty')
  expect(logs().length).toBe(3)
  const { stdout } = await client.kata('logs', 'chatty')
  expect(stdout.length).toBeLessThan(64 * 1024 * 3)
  expect(stdout).toMatch(/^[0-9]*\n(0123456789\n)+$/)
})

test('a reader that wants no more than the first lines ends it, which is no failure', async () => {
  await using client = testClient()
  await client.start('chatty', ['sh', '-c', 'yes 0123456789 | head -n 100000'])
  await client.kata('wait', 'chatty')
  for (const args of [['chatty'], ['--follow', 'chatty'], ['--tail', '90000', 'chatty', 'chatty']]) {
    const child = client.spawn(['logs', ...args])
    const reader = child.stdout.getReader()
    await reader.read()
    await reader.cancel()
    const [stderr, code] = await Promise.all([child.stderr.text(), child.exited])
    expect({ args, stderr, code }).toEqual({ args, stderr: '', code: 0 })
  }
})

test.each([
  [['logs', '--tail', 'some', 'x'], '--tail does not take "some"'],
  [['logs', '--since', 'soon', 'x'], '--since does not take "soon"'],
  [['run', '--log-opt', 'mode=fast', 'true'], '--log-opt does not take "mode=fast"'],
])('%j is refused', async (args, problem) => {
  await using client = testClient()
  const { code, stderr } = await client.kata(...args)
  expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining(problem) })
})

test('the output of a container in the foreground is kept, while it runs and once it has ended', async () => {
  await using client = testClient()
  const script = 'echo out; echo err >&2; sleep 60'
  const front = client.spawn(['run', '--name', 'front', '--rootfs', client.base, '--', 'sh', '-c', script])
  const both = { code: 0, stdout: 'out\n', stderr: 'err\n' }
  await eventually(async () => (await client.kata('logs', 'front')).stderr === 'err\n')
  expect(await client.kata('logs', 'front')).toEqual(both)
  await client.kata('kill', 'front')
  expect([await front.stdout.text(), await front.stderr.text(), await front.exited]).toEqual([
    ...['out\n', 'err\n', 137],
  ])
  expect(await client.kata('logs', 'front')).toEqual(both)

  // Also what nobody is attached to.
  await client.kata('run', '-a', 'stderr', '--name', 'half', '--rootfs', client.base, '--', 'echo', 'unseen')
  expect((await client.kata('logs', 'half')).stdout).toBe('unseen\n')

  // One of a version that kept none.
  rmSync(`${client.base}/state/containers/default/half/output.log`)
  const { code, stderr } = await client.kata('logs', 'half')
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining('[LOG_NOT_KEPT] the output of container half was not kept'),
  })
})

test.each([[['logs', '-f', 'quiet']], [['events']]])(
  '%j ends when its reader has gone, though there is nothing more to print',
  async (command) => {
    await using client = testClient()
    await client.start('quiet', ['sh', '-c', 'echo begun; exec sleep 60'])
    await eventually(async () => (await client.kata('logs', 'quiet')).stdout === 'begun\n')
    const child = client.spawn(command)
    if (command[0] === 'logs') {
      const reader = child.stdout.getReader()
      await reader.read()
      await reader.cancel()
    } else await child.stdout.cancel()
    expect(await Promise.race([child.exited, Bun.sleep(10_000).then(() => 'it stays')])).toBe(0)
    expect(await child.stderr.text()).toBe('')
  },
)
