/** A container whose machine was saved, and whose client did not live to note that, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tryDirectoryLock, underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { bootId, processRef } from '../../../linux/processes/proc.ts'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'
import { type ContainerRecord, createRecord, readRecord, updateRecord } from '../../client/record.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

const directoryOf = (client: TestClient, id: string) => `${client.base}/state/containers/default/${id}`

const savedOf = (client: TestClient, id: string) => `${directoryOf(client, id)}/suspended`

const recordOf = (client: TestClient, id: string) => `${directoryOf(client, id)}/record.json`

/** Its shim was killed when it had saved the machine. The clock of the host was set by so many seconds since its start. */
async function saved(client: TestClient, id: string, clockStep = -3600): Promise<void> {
  // Its process outlives the shim, and ends with the test.
  await client.start(id, ['sh', '-c', `while [ -e ${client.base} ]; do sleep 0.05; done`])
  const { shimPid } = (await client.list()).find((listed) => listed.id === id)!
  // The double saves none: as if the command did not live to hear that it was done.
  expect((await client.kata('suspend', id)).code).toBe(1)
  const facts = `${savedOf(client, id)}/checkpoint.json`
  mkdirSync(savedOf(client, id))
  writeFileSync(facts, '{}')
  const time = Date.now() / 1000 + clockStep
  utimesSync(facts, time, time)
  process.kill(shimPid!, 'SIGKILL')
  await eventually(async () => (await client.list()).find((listed) => listed.id === id)?.status === 'dead')
}

/** As if it had been started once more since it was saved. */
function runOn(client: TestClient, id: string): void {
  const record = JSON.parse(readFileSync(recordOf(client, id), 'utf8'))
  writeFileSync(recordOf(client, id), JSON.stringify({ ...record, startedAt: '2026-01-01T00:00:00.000Z' }))
}

/** With a range of ids that nobody uses: this must not touch sandboxes of the host that runs the test. */
function gc(client: TestClient) {
  const range = 'rootless_uid_base = 2013265920\nrootless_uid_blocks = 1\n'
  writeFileSync(`${client.base}/c.toml`, `[hypervisor.qemu]\n${range}`)
  return client.kata('gc', '--config', `${client.base}/c.toml`)
}

test('what was saved last is suspended, whoever finds it, and nothing but rm and stop takes its memory', async () => {
  await using client = testClient()
  await saved(client, 'found')
  expect((await client.kata('start', 'found')).stderr).toContain('container found is suspended')
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'found', status: 'suspended' })])
  const spec = `${client.base}/state/containers/default/found/bundle/config.json`
  const before = readFileSync(spec, 'utf8')
  // It would go on with the limits that it had.
  expect((await client.kata('update', '--memory', '64M', 'found')).stderr).toContain(
    '[CONTAINER_NOT_RUNNING]',
  )
  expect(readFileSync(spec, 'utf8')).toBe(before)
  await client.kata('rm', 'found')

  await saved(client, 'collected')
  expect((await gc(client)).stdout).toContain('default/collected')
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'suspended', exitCode: null })])
  expect((await client.kata('prune', '--containers', '--keep-images', '--force')).code).toBe(0)
  expect(existsSync(savedOf(client, 'collected'))).toBe(true)
  expect((await client.kata('stop', 'collected')).code).toBe(0)
  expect(existsSync(savedOf(client, 'collected'))).toBe(false)
})

test('wait goes on over a suspend, which is no end', async () => {
  await using client = testClient()
  await saved(client, 'paused')
  const waiting = client.spawn(['wait', 'paused'])
  await gc(client)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'suspended' })])
  await Bun.sleep(500)
  expect(waiting.exitCode).toBeNull()
  expect((await client.kata('stop', 'paused')).code).toBe(0)
  expect([await waiting.stdout.text(), await waiting.exited]).toEqual(['137\n', 0])
})

test('logs -f goes on over a suspend, and who is attached is told of it', async () => {
  await using client = testClient()
  await client.start('watched', ['sh', '-c', 'while :; do echo on; sleep 0.05; done'], ['-i'])
  const following = client.spawn(['logs', '-f', 'watched'])
  const attached = client.spawn(['attach', 'watched'])
  const waiting = client.spawn(['wait', '--condition', 'stopped', '--condition', 'removed', 'watched'])
  // Who is shown what it prints waits for its end.
  for (const { stdout } of [following, attached]) await stdout.getReader().read()
  // As the shim's end looks until the command has noted the suspend.
  const state = `${client.base}/state`
  const { startedAt } = readRecord(state, 'default', 'watched')
  updateRecord(state, 'default', 'watched', { savedRun: startedAt })
  mkdirSync(savedOf(client, 'watched'))
  writeFileSync(`${savedOf(client, 'watched')}/checkpoint.json`, '{}')
  expect((await client.kata('kill', 'watched')).code).toBe(0)
  expect(await attached.exited).toBe(0)
  expect(await attached.stderr.text()).toContain('container watched was suspended')
  await Bun.sleep(1000)
  expect([following.exitCode, waiting.exitCode]).toEqual([null, null])
  await gc(client)
  const { shimPid } = (await client.list())[0]!
  if (shimPid !== null) process.kill(shimPid, 'SIGKILL')
  await eventually(async () => (await client.list())[0]?.status === 'dead')
  await gc(client)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'suspended' })])
  await Bun.sleep(1000)
  expect([following.exitCode, waiting.exitCode]).toEqual([null, null])
  expect((await client.kata('stop', 'watched')).code).toBe(0)
  expect([await following.exited, await waiting.exited]).toEqual([0, 0])
})

test('a stop that comes while the container is being suspended stops it', async () => {
  await using client = testClient()
  const state = `${client.base}/state`
  await client.start('both', ['sleep', '60'])
  const { shimPid } = (await client.list())[0]!
  let stopping: ReturnType<TestClient['kata']> | undefined
  await underDirectoryLock(directoryOf(client, 'both'), 1000, async () => {
    stopping = client.kata('stop', '-t', '0', 'both')
    await eventually(async () => (await client.list())[0]?.status === 'stopped')
    const { startedAt } = readRecord(state, 'default', 'both')
    mkdirSync(savedOf(client, 'both'))
    writeFileSync(`${savedOf(client, 'both')}/checkpoint.json`, '{}')
    updateRecord(state, 'default', 'both', { status: 'suspended', savedRun: startedAt })
  })
  const outcome = await stopping
  // A real one has ended by the suspend.
  process.kill(shimPid!, 'SIGKILL')
  expect(outcome).toMatchObject({ code: 0, stdout: 'both\n' })
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
  expect(existsSync(savedOf(client, 'both'))).toBe(false)
})

test('a stop that comes while a large machine is saved waits until its signal has come', async () => {
  await using client = testClient()
  await client.start('large', ['sh', '-c', 'sleep 60', 'held-up'])
  expect(await client.kata('stop', '-t', '0', 'large')).toEqual({ code: 0, stdout: 'large\n', stderr: '' })
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
})

test('a memory that was given up stays that, whoever was killed meanwhile', async () => {
  await using client = testClient()
  await saved(client, 'given-up')
  expect((await gc(client)).code).toBe(0)
  expect((await client.kata('stop', 'given-up')).code).toBe(0)
  // As if `stop` did not live to remove it.
  mkdirSync(savedOf(client, 'given-up'))
  writeFileSync(`${savedOf(client, 'given-up')}/checkpoint.json`, '{}')
  expect((await client.kata('resume', 'given-up')).stderr).toContain('[CONTAINER_NOT_SUSPENDED]')
  expect((await client.kata('wait', 'given-up')).stdout).toBe('137\n')
  expect((await gc(client)).stdout).toContain('saved machine')
  expect(existsSync(savedOf(client, 'given-up'))).toBe(false)
})

test('start --boot leaves what is suspended alone, which is no failure', async () => {
  await using client = testClient()
  await saved(client, 'asleep')
  updateRecord(`${client.base}/state`, 'default', 'asleep', { restart: { name: 'always', most: 0 } })
  for (const status of ['dead', 'suspended']) {
    expect(await client.list()).toEqual([expect.objectContaining({ status })])
    expect(await client.kata('start', '--boot')).toEqual({ code: 0, stdout: '', stderr: '' })
    await gc(client)
  }
})

const startable = {
  command: ['true'],
  image: 'busybox',
  layers: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  terminal: false,
  detached: true,
  autoRemove: false,
  status: 'creating',
  bootId: bootId(),
  disks: { image: '/image.erofs', bytes: 4096 },
} as const

test('of a fork, or a container of a snapshot, whose command was killed nothing is left once gc has run', async () => {
  await using client = testClient()
  const state = `${client.base}/state`
  const make = (id: string, more: Partial<ContainerRecord> = {}) =>
    createRecord(state, { ...startable, ...more, id, namespace: 'default' }).directory
  // Before its disk was there, while its machine was being saved, and before it ran.
  make('early')
  mkdirSync(`${make('saving')}/suspended.new`)
  writeFileSync(`${make('copying')}/written.img.new`, 'part of a disk')
  writeFileSync(`${make('ready')}/written.img`, 'files')
  mkdirSync(`${state}/containers/default/ready/suspended`)
  // The machine of a snapshot stays where it is: of its container there is the disk alone.
  writeFileSync(`${make('copied', { beginsSaved: true })}/written.img`, 'files')
  // The controls: one that is being made, one that ran, and one of an image, which boots.
  make('at-work', { owner: processRef(process.pid)!, beginsSaved: true })
  const ran = { startedAt: '2026-01-01T00:00:01.000Z', beginsSaved: true }
  writeFileSync(`${make('ran', ran)}/written.img`, 'files')
  writeFileSync(`${make('of-image')}/written.img`, 'files')
  expect((await gc(client)).code).toBe(0)
  const listed = (await client.list()).map(({ id, status }) => `${id} ${status}`).sort()
  expect(listed).toEqual(['at-work creating', 'of-image stopped', 'ran stopped'])
  rmSync(`${state}/containers`, { recursive: true })
})

test('a snapshot that cannot be removed keeps gc from nothing else', async () => {
  await using client = testClient()
  const snapshots = `${client.base}/state/snapshots/default`
  const [stuck, other] = ['.unfinished-1-1-stuck', '.unfinished-1-1-other'].map(
    (name) => `${snapshots}/${name}`,
  )
  for (const path of [`${stuck}/inner`, other!]) mkdirSync(path, { recursive: true })
  expect(Bun.spawnSync(['mount', '-t', 'tmpfs', 'none', `${stuck}/inner`]).exitCode).toBe(0)
  try {
    const { code, stdout } = await gc(client)
    expect(code).toBe(1)
    expect(stdout).toMatch(/snapshot +.*stuck +.*REMOVAL_UNFINISHED/)
    expect(stdout).toMatch(/snapshot +.*other +released/)
  } finally {
    Bun.spawnSync(['umount', `${stuck}/inner`])
  }
  expect((await gc(client)).code).toBe(0)
  expect(existsSync(stuck!)).toBe(false)
})

test('what was saved before the container ran on counts for nothing', async () => {
  await using client = testClient()
  await saved(client, 'ran-on', 3600)
  runOn(client, 'ran-on')
  expect((await gc(client)).stdout).toContain('default/ran-on')
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
  // Its disk is not as it was then.
  expect((await client.kata('resume', 'ran-on')).stderr).toContain('[CONTAINER_NOT_SUSPENDED]')
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped' })])
  expect((await client.kata('start', 'ran-on')).code).toBe(0)
  expect(existsSync(savedOf(client, 'ran-on'))).toBe(false)
})

test('a resume whose saved machine has gone meanwhile leaves a container that can be started', async () => {
  await using client = testClient()
  await saved(client, 'gone')
  // The double knows no saved machines, and refuses this one.
  const directory = `${client.base}/state/containers/default/gone`
  writeFileSync(`${directory}/bundle/config.json`, JSON.stringify({ process: { args: ['refuse-create'] } }))
  const resuming = client.spawn(['resume', 'gone'])
  const status = () => JSON.parse(readFileSync(`${directory}/record.json`, 'utf8')).status
  await eventually(() => status() === 'creating')
  rmSync(savedOf(client, 'gone'), { recursive: true })
  expect(await resuming.exited).toBe(1)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped' })])
})

test('a container that another command has in hand is neither removed nor given up', async () => {
  await using client = testClient()
  await saved(client, 'held')
  expect((await gc(client)).code).toBe(0)
  const directory = `${client.base}/state/containers/default/held`
  const lock = tryDirectoryLock(directory)!
  for (const words of [['stop'], ['rm']])
    expect((await client.kata(...words, 'held')).stderr).toContain('[CONTAINER_BUSY]')
  expect(existsSync(`${directory}/suspended/checkpoint.json`)).toBe(true)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'suspended' })])
  // One that is to go in any case waits for its turn.
  const removing = client.spawn(['rm', '--force', 'held'])
  expect(await Promise.race([removing.exited, Bun.sleep(1000)])).toBeUndefined()
  lock[Symbol.dispose]()
  expect(await removing.exited).toBe(0)
  expect(client.leftovers()).toEqual([])
})
