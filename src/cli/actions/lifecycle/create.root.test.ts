/** `create`, `start --attach`, `rename` and what else is said of a container that has not run, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { eventually, testClient } from '../../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

test('a container is made, renamed, started with somebody attached, and removed; each is an event', async () => {
  await using client = testClient()
  const made = await client.kata(
    ...['create', '-i', '--name', 'early', '--label', 'tier=x', '--rootfs', client.base, '-p', '8080:80'],
    ...['--', 'sh', '-c', 'read line; echo "got $line"; echo oops >&2; exit 5'],
  )
  expect(made).toEqual({ code: 0, stdout: 'early\n', stderr: '' })
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'created', exitCode: null })])
  expect((await client.kata('container', 'stop', 'early')).code).toBe(0)

  expect((await client.kata('rename', 'early', 'late')).code).toBe(0)
  expect((await client.kata('port', 'late', '80')).stdout).toBe('0.0.0.0:8080\n')
  expect((await client.kata('port', 'late')).stdout).toBe('80/tcp -> 0.0.0.0:8080\n')
  expect((await client.kata('port', 'late', '81')).stderr).toContain('[PORT_NOT_PUBLISHED]')

  const started = client.spawn(['start', '-a', '-i', 'late'], new Blob(['word\n']))
  const [stdout, stderr, code] = await Promise.all([
    started.stdout.text(),
    started.stderr.text(),
    started.exited,
  ])
  expect({ stdout, stderr, code }).toEqual({ stdout: 'got word\n', stderr: 'oops\n', code: 5 })
  expect(await client.list()).toEqual([
    expect.objectContaining({ id: 'late', status: 'stopped', exitCode: 5 }),
  ])
  // Its shim still keeps it, which is no reason to keep the name.
  expect((await client.kata('rename', 'late', 'last')).code).toBe(0)
  await client.kata('rm', 'last')
  const events = await client.kata(
    ...['events', '--since', '10m', '--until', '0s', '--filter', 'label=tier=x'],
    ...['--format', '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.oldName}}'],
  )
  expect(events.stdout.split('\n').map((line) => line.trim())).toEqual([
    ...['create early', 'rename late early', 'rename last late', 'destroy last', ''],
  ])
  expect(client.leftovers()).toEqual([])
})

test('what runs is not renamed, and no name is taken twice', async () => {
  await using client = testClient()
  await client.start('runs', ['sleep', '60'])
  await client.kata('create', '--name', 'made', '--rootfs', client.base, '--', 'true')
  expect((await client.kata('rename', 'runs', 'other')).stderr).toContain('[CONTAINER_RUNNING]')
  expect((await client.kata('rename', 'made', 'runs')).stderr).toContain('[CONTAINER_EXISTS]')
  expect((await client.kata('rename', 'made', '../x')).stderr).toContain('[NAME_INVALID]')
  expect((await client.list()).map(({ id }) => id)).toEqual(['made', 'runs'])
  const [info, df] = await Promise.all([
    client.kata('info', '--format', '{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}}'),
    client.kata('system', 'df', '--format', 'json'),
  ])
  expect(info.stdout).toBe('2 1 1\n')
  expect(JSON.parse(df.stdout).find((use: { type: string }) => use.type === 'Containers')).toMatchObject({
    ...{ total: 2, active: 1 },
  })
  const [waited] = await Promise.all([
    client.kata('wait', '--condition', 'removed', 'runs'),
    Bun.sleep(1500).then(() => client.kata('rm', '-f', 'runs')),
  ])
  expect(waited).toMatchObject({ code: 0, stdout: '-1\n' })
})

test('only the streams that were asked for are shown, and a signal leaves what is not to get it', async () => {
  await using client = testClient()
  const shown = await client.kata(
    ...['run', '--rm', '-a', 'stderr', '--platform', 'linux/amd64', '--rootfs', client.base],
    ...['--', 'sh', '-c', 'echo out; echo err >&2'],
  )
  expect(shown).toEqual({ code: 0, stdout: '', stderr: 'err\n' })
  const refused = await client.kata('run', '--platform', 'linux/arm64', '--rootfs', client.base, 'true')
  expect(refused.stderr).toContain('[OPTION_INVALID] --platform')

  const front = client.spawn([
    ...['run', '--sig-proxy=false', '--name', 'stays', '--rootfs', client.base, '--', 'sleep', '60'],
  ])
  await eventually(async () => (await client.list())[0]?.status === 'running')
  await Bun.sleep(300)
  front.kill('SIGINT')
  expect(await front.exited).toBe(0)
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'stays', status: 'running' })])

  await client.start('talks', ['sh', '-c', 'echo hello'])
  await client.start('sings', ['sh', '-c', 'echo la'])
  await client.kata('wait', 'talks', 'sings')
  const logs = await client.kata('logs', '--names', 'talks', 'nobody', 'sings')
  expect({ code: logs.code, stdout: logs.stdout }).toEqual({ code: 1, stdout: 'talks hello\nsings la\n' })
  expect(logs.stderr).toContain('[CONTAINER_NOT_FOUND]')
})
