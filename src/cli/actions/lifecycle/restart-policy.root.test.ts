/** `--restart` against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'
import { type ContainerRecord, updateRecord } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

const directoryOf = ({ base }: TestClient, id: string) => `${base}/state/containers/default/${id}`
const read = (client: TestClient, id: string) =>
  JSON.parse(readFileSync(`${directoryOf(client, id)}/record.json`, 'utf8'))
/** As a command does it: the monitor may be reading the record, or about to note something in it. */
const change = ({ base }: TestClient, id: string, changes: Partial<ContainerRecord>) =>
  updateRecord(`${base}/state`, 'default', id, changes)

const stateOf = async (client: TestClient, id: string, format: string) =>
  (await client.kata('inspect', '--format', format, id)).stdout.trim()

test('on-failure starts a container again as often as it may, and the last exit code stays', async () => {
  await using client = testClient()
  await client.start('fails', ['sh', '-c', 'echo run; exit 3'], ['--restart', 'on-failure:2'])
  await eventually(() => read(client, 'fails').restarts === 2 && read(client, 'fails').status === 'stopped')
  await eventually(() => read(client, 'fails').restartsAt === undefined)
  expect(await stateOf(client, 'fails', '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}')).toBe(
    'exited 3 2',
  )
  expect((await client.kata('logs', 'fails')).stdout).toBe('run\nrun\nrun\n')
})

test('a container that ran in the foreground goes on in the background, once it has ended', async () => {
  await using client = testClient()
  const ran = await client.kata(
    ...['run', '--restart', 'on-failure:1', '--name', 'front', '--rootfs', client.base],
    ...['--', 'sh', '-c', 'echo shown; exit 4'],
  )
  expect(ran).toMatchObject({ code: 4, stdout: 'shown\n' })
  await eventually(() => read(client, 'front').restarts === 1 && read(client, 'front').status === 'stopped')
  expect((await client.kata('logs', 'front')).stdout).toBe('shown\nshown\n')
})

test('stop ends always, also while it waits to start again; start begins anew', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  // The pauses have become long.
  change(client, 'brief', { pauseMs: 60_000 })
  await client.kata('kill', '--signal', 'HUP', 'brief')
  await eventually(() => read(client, 'brief').restartsAt)
  expect((await client.list())[0]).toMatchObject({ status: 'restarting', exitCode: 129 })
  expect((await client.kata('rm', 'brief')).stderr).toContain('[CONTAINER_RUNNING]')
  expect(await client.kata('stop', 'brief')).toMatchObject({ code: 0 })
  expect((await client.list())[0]).toMatchObject({ status: 'stopped' })
  expect(read(client, 'brief')).toMatchObject({ stopWanted: true })

  expect(await client.kata('update', '--restart', 'no', 'brief')).toMatchObject({ code: 0 })
  expect((await client.kata('start', 'brief')).code).toBe(0)
  expect(read(client, 'brief')).toMatchObject({ status: 'running', restarts: 0, stopWanted: false })
})

test('a policy that is taken back starts nothing more', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  change(client, 'brief', { pauseMs: 5000 })
  await client.kata('kill', '--signal', 'HUP', 'brief')
  await eventually(() => read(client, 'brief').restartsAt)
  expect(await client.kata('update', '--restart', 'no', 'brief')).toMatchObject({ code: 0 })
  expect((await client.list())[0]).toMatchObject({ status: 'stopped', exitCode: 129 })
  expect((await client.kata('rm', 'brief')).code).toBe(0)
  expect(client.leftovers()).toEqual([])
})

test('a stop that fails changes no policy', async () => {
  await using client = testClient()
  const bundle = `${directoryOf(client, 'early')}/bundle`
  const words = ['sh', '-c', 'sleep 60', 'made-when-told']
  const starting = client.start('early', words, ['--restart', 'unless-stopped'])
  await eventually(() => existsSync(`${bundle}/being-made`))
  for (const command of ['stop', 'restart'])
    expect(await client.kata(command, 'early')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[CONTAINER_NOT_RUNNING] container early is creating'),
    })
  expect(read(client, 'early').stopWanted ?? false).toBe(false)
  writeFileSync(`${bundle}/make`, '')
  await starting
  await client.kata('kill', '--signal', 'HUP', 'early')
  await eventually(() => read(client, 'early').restarts === 1 && read(client, 'early').status === 'running')
})

test.each([[['kill']], [['stop', '-t', '0']]])(
  'a signal that does not get to the container changes no policy: %j',
  async (command) => {
    await using client = testClient()
    await client.start('deaf', ['sleep', '60'], ['--restart', 'always'])
    const refuse = `${directoryOf(client, 'deaf')}/bundle/refuse-kill`
    writeFileSync(refuse, '')
    expect(await client.kata(...command, 'deaf')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[AGENT_DIED]'),
    })
    expect(read(client, 'deaf').stopWanted ?? false).toBe(false)
    rmSync(refuse)
    await client.kata('kill', '--signal', 'HUP', 'deaf')
    await eventually(() => read(client, 'deaf').restarts === 1 && read(client, 'deaf').status === 'running')
  },
)

test('a stop that is killed once its signal was sent has stopped the container', async () => {
  await using client = testClient()
  const go = `${client.base}/go`
  const script = `trap 'touch ${go}' TERM; while [ ! -e ${go} ]; do sleep 0.02; done; sleep 60 & wait $!; exit 3`
  await client.start('slow', ['sh', '-c', script], ['--restart', 'always'])
  const stopping = client.spawn(['stop', '-t', '600', 'slow'])
  await eventually(() => existsSync(go) && read(client, 'slow').stopWanted)
  stopping.kill('SIGKILL')
  await stopping.exited
  await client.kata('kill', '--signal', 'HUP', 'slow')
  await eventually(() => read(client, 'slow').status === 'stopped')
  expect(read(client, 'slow')).not.toHaveProperty('restartsAt')
})

test('a signal to one in the foreground counts by the policy of then, and only where it gets there', async () => {
  await using client = testClient()
  const command = [
    '--rootfs',
    client.base,
    '--',
    'sh',
    '-c',
    'trap "exit 5" TERM; while :; do sleep 0.02; done',
  ]
  const running = client.spawn(['run', '--name', 'front', ...command])
  await eventually(async () => (await client.list())[0]?.status === 'running')
  expect((await client.kata('update', '--restart', 'always', 'front')).code).toBe(0)
  const refuse = `${directoryOf(client, 'front')}/bundle/refuse-kill`
  writeFileSync(refuse, '')
  running.kill('SIGTERM')
  await eventually(() => existsSync(`${directoryOf(client, 'front')}/bundle/refused-kill`))
  await eventually(() => read(client, 'front').stopWanted === undefined)
  rmSync(refuse)
  // The second one is SIGKILL.
  running.kill('SIGTERM')
  expect(await running.exited).toBe(137)
  expect(read(client, 'front')).toMatchObject({ status: 'stopped', stopWanted: true, exitCode: 137 })
  expect(read(client, 'front').restartsAt).toBeUndefined()
})

test('kill ends it for good, and so does rm --force; a signal that asks for less does not', async () => {
  await using client = testClient()
  await client.start('killed', ['sleep', '60'], ['--restart', 'always'])
  await client.kata('kill', '--signal', 'HUP', 'killed')
  await eventually(() => read(client, 'killed').restarts === 1)
  // Its record says so a moment before it runs.
  await eventually(async () => (await client.list())[0]?.status === 'running')
  await client.kata('kill', 'killed')
  await eventually(() => read(client, 'killed').status === 'stopped')
  expect(read(client, 'killed').exitCode).toBe(137)
  expect(read(client, 'killed').restartsAt).toBeUndefined()

  await client.start('removed', ['sleep', '60'], ['--restart', 'always'])
  expect((await client.kata('rm', '--force', 'removed', 'killed')).code).toBe(0)
  expect(client.leftovers()).toEqual([])
})

test('after a boot, start --boot starts always and what nobody stopped; one whose shim dies starts again', async () => {
  await using client = testClient()
  await client.start('wanted', ['sleep', '60'], ['--restart', 'unless-stopped'])
  await client.start('unwanted', ['sleep', '60'], ['--restart', 'unless-stopped'])
  await client.start('ever', ['sleep', '60'], ['--restart', 'always'])
  await client.kata('stop', '-t', '0', 'unwanted', 'ever')
  process.kill((await client.list()).find(({ id }) => id === 'wanted')!.shimPid!, 'SIGKILL')
  await eventually(() => read(client, 'wanted').restarts === 1 && read(client, 'wanted').status === 'running')

  // As a host leaves it that goes down: nothing runs, and all processes are of another boot.
  const { owner } = read(client, 'wanted')
  process.kill(owner.pid, 'SIGKILL')
  process.kill((await client.list()).find(({ id }) => id === 'wanted')!.shimPid!, 'SIGKILL')
  change(client, 'wanted', { bootId: 'another' })
  expect(await client.kata('start', '--boot')).toMatchObject({
    code: 0,
    stdout: 'default/ever\ndefault/wanted\n',
  })
  expect((await client.list()).map(({ id, status }) => `${id} ${status}`).sort()).toEqual([
    'ever running',
    'unwanted stopped',
    'wanted running',
  ])
  expect((await client.kata('start', '--boot', 'ever')).stderr).toContain('[USAGE]')
})

test('a shim that dies before the process that waits for it has reached it is an end as any other', async () => {
  await using client = testClient()
  await client.start('early', ['sleep', '60'], ['--restart', 'always'])
  const { owner } = read(client, 'early')
  process.kill(owner.pid, 'SIGKILL')
  process.kill((await client.list())[0]!.shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list())[0]?.status === 'dead')
  const monitor = client.spawn(['monitor', 'early'])
  await eventually(() => read(client, 'early').restarts === 1 && read(client, 'early').status === 'running')
  expect(read(client, 'early').owner.pid).toBe(monitor.pid)
})

test('the policy of one in the foreground counts, too, when its shim dies', async () => {
  await using client = testClient()
  const options = ['--restart', 'always', '--name', 'front', '--rootfs', client.base]
  const running = client.spawn(['run', ...options, '--', 'sleep', '60'])
  await eventually(async () => (await client.list())[0]?.status === 'running')
  process.kill((await client.list())[0]!.shimPid!, 'SIGKILL')
  expect(await running.exited).toBe(137)
  await eventually(() => read(client, 'front').restarts === 1 && read(client, 'front').status === 'running')
})

test('a container that is left runs on also where no monitor can be started, and start tries that again', async () => {
  await using client = testClient()
  const options = ['--restart', 'always', '--sig-proxy=false', '--name', 'left', '--rootfs', client.base]
  const running = client.spawn(['run', ...options, '--', 'sleep', '60'])
  await eventually(async () => (await client.list())[0]?.status === 'running')
  const monitorLog = `${directoryOf(client, 'left')}/monitor.log`
  mkdirSync(monitorLog)
  running.kill('SIGTERM')
  expect(await running.stderr.text()).toContain('nobody waits for its end')
  expect(await running.exited).toBe(125)
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'left', status: 'running' })])
  rmdirSync(monitorLog)
  expect((await client.kata('start', 'left')).code).toBe(0)
  await client.kata('kill', '--signal', 'HUP', 'left')
  await eventually(() => read(client, 'left').restarts === 1 && read(client, 'left').status === 'running')
})

test('update gives a container a monitor whose client in the foreground was killed', async () => {
  await using client = testClient()
  const running = client.spawn(['run', '--name', 'left', '--rootfs', client.base, '--', 'sleep', '60'])
  await eventually(async () => (await client.list())[0]?.status === 'running')
  running.kill('SIGKILL')
  await running.exited
  expect((await client.kata('update', '--restart', 'always', 'left')).code).toBe(0)
  await client.kata('kill', '--signal', 'HUP', 'left')
  await eventually(() => read(client, 'left').restarts === 1 && read(client, 'left').status === 'running')
})

test('a policy that is taken back leaves nobody who waits', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  change(client, 'brief', { pauseMs: 60_000 })
  await client.kata('kill', '--signal', 'HUP', 'brief')
  await eventually(() => read(client, 'brief').restartsAt)
  const { owner } = read(client, 'brief')
  expect(await client.kata('update', '--restart', 'no', 'brief')).toMatchObject({ code: 0 })
  expect(isAlive(owner)).toBe(false)
})

test('a start that was noted while the policy was taken back does not come', async () => {
  await using client = testClient()
  await client.start('brief', ['true'], ['--restart', 'on-failure'])
  await eventually(() => read(client, 'brief').status === 'stopped')
  const restart = { name: 'no', most: 0 } as const
  change(client, 'brief', { restart, restartsAt: new Date().toISOString() })
  expect((await client.kata('monitor', 'brief')).code).toBe(0)
  expect(read(client, 'brief')).toMatchObject({ status: 'stopped' })
  expect(read(client, 'brief').restarts ?? 0).toBe(0)
  expect(read(client, 'brief').restartsAt).toBeUndefined()
})

test('a container that ends while another command has it in hand starts again once that is done', async () => {
  await using client = testClient()
  await client.start('held', ['sleep', '60'], ['--restart', 'always'])
  await underDirectoryLock(directoryOf(client, 'held'), 1000, async () => {
    expect((await client.kata('kill', '--signal', 'HUP', 'held')).code).toBe(0)
    await eventually(() => read(client, 'held').restartsAt)
    // Longer than one wait for the other command, as a machine that is saved holds it.
    await Bun.sleep(3000)
    expect(read(client, 'held')).toMatchObject({ status: 'stopped' })
  })
  await eventually(() => read(client, 'held').restarts === 1 && read(client, 'held').status === 'running')
})

test('starts that fail before their record is written have pauses between them, too', async () => {
  await using client = testClient()
  await client.start('broken', ['sleep', '60'], ['--restart', 'always'])
  const spec = `${directoryOf(client, 'broken')}/bundle/config.json`
  const whole = readFileSync(spec)
  writeFileSync(spec, '{')
  await client.kata('kill', '--signal', 'HUP', 'broken')
  const failures = () =>
    readFileSync(`${directoryOf(client, 'broken')}/monitor.log`, 'utf8').split('[BUNDLE_FILE_INVALID]')
      .length - 1
  await eventually(() => failures() > 0)
  // Pauses of 0.1 s, 0.2 s, 0.4 s and so on: slower on a busy host, never faster.
  await Bun.sleep(2000)
  expect(failures()).toBeLessThan(10)
  writeFileSync(spec, whole)
  await eventually(() => read(client, 'broken').restarts === 1 && read(client, 'broken').status === 'running')
})

test('a clean-up that fails is tried again, and its container starts then', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  const refuse = `${directoryOf(client, 'brief')}/refuse-delete`
  const told = () => readFileSync(`${directoryOf(client, 'brief')}/monitor.log`, 'utf8')
  writeFileSync(refuse, '')
  await client.kata('kill', '--signal', 'HUP', 'brief')
  await eventually(() => told().includes('[SHIM_DELETE_FAILED]'))
  expect((await client.list())[0]).toMatchObject({ status: 'dead' })
  rmSync(refuse)
  await eventually(() => read(client, 'brief').restarts === 1 && read(client, 'brief').status === 'running')
})

test.each([
  [3, 'on-failure', 1],
  [0, 'on-failure', 0],
  [3, 'no', 0],
])(
  'so is that of one in the foreground, whose person is told: exit code %d, %s',
  async (code, policy, restarts) => {
    await using client = testClient()
    const go = `${client.base}/go`
    const script = `[ -e ${go} ] && exec sleep 60; while [ ! -e ${go} ]; do sleep 0.02; done; exit ${code}`
    const options = ['--restart', policy, '--name', 'front', '--rootfs', client.base]
    const running = client.spawn(['run', ...options, '--', 'sh', '-c', script])
    await eventually(async () => (await client.list())[0]?.status === 'running')
    const refuse = `${directoryOf(client, 'front')}/refuse-delete`
    writeFileSync(refuse, '')
    writeFileSync(go, '')
    const told = await running.stderr.text()
    expect(await running.exited).toBe(code || 125)
    expect(told).toContain('[SHIM_DELETE_FAILED]')
    expect(told.includes('tried again in the background')).toBe(policy !== 'no')
    rmSync(refuse)
    if (policy === 'no') expect((await client.kata('gc')).code).toBe(0)
    const isOver = () =>
      restarts > 0
        ? read(client, 'front').restarts === restarts && read(client, 'front').status === 'running'
        : read(client, 'front').status === 'stopped' && !isAlive(read(client, 'front').owner)
    await eventually(isOver)
    expect(read(client, 'front').restarts ?? 0).toBe(restarts)
    if (restarts === 0) expect(read(client, 'front').exitCode).toBe(code)
  },
)

test('so is that of a start that failed', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  const directory = directoryOf(client, 'brief')
  const spec = `${directory}/bundle/config.json`
  const whole = readFileSync(spec)
  // Its monitor starts nothing while it is held.
  await underDirectoryLock(directory, 1000, async () => {
    await client.kata('kill', '--signal', 'HUP', 'brief')
    await eventually(() => read(client, 'brief').restartsAt)
    writeFileSync(`${directory}/refuse-delete`, '')
    writeFileSync(spec, JSON.stringify({ process: { args: ['refuse-create'] } }))
  })
  await eventually(() => readFileSync(`${directory}/monitor.log`, 'utf8').includes('[SHIM_DELETE_FAILED]'))
  expect(read(client, 'brief')).toMatchObject({ status: 'creating', restarts: 1 })
  writeFileSync(spec, whole)
  rmSync(`${directory}/refuse-delete`)
  await eventually(() => read(client, 'brief').restarts === 2 && read(client, 'brief').status === 'running')
  expect(read(client, 'brief').exitCode).toBeUndefined()
})

test('a container whose clean-up fails, and that a person has ended, is left to others', async () => {
  await using client = testClient()
  await client.start('brief', ['sleep', '60'], ['--restart', 'always'])
  const refuse = `${directoryOf(client, 'brief')}/refuse-delete`
  writeFileSync(refuse, '')
  const { owner } = read(client, 'brief')
  expect((await client.kata('stop', '-t', '0', 'brief')).stderr).toContain('[SHIM_DELETE_FAILED]')
  expect(isAlive(owner)).toBe(false)
  rmSync(refuse)
  expect(await client.kata('gc')).toMatchObject({ code: 0, stdout: expect.stringContaining('default/brief') })
  expect(read(client, 'brief')).toMatchObject({ status: 'stopped' })
})

test('--rm and --restart exclude each other', async () => {
  await using client = testClient()
  const { stderr } = await client.kata('run', '--rm', '--restart', 'always', '--rootfs', client.base, 'true')
  expect(stderr).toContain('[OPTION_CONFLICT]')
})
