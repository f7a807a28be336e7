/** `create`, `start --attach`, `rename` and what else is said of a container that has not run, against a double of the shim. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readEventLogWishes } from '../../../bundle/event-log.ts'
import { bundleFile } from '../../../bundle/files.ts'
import { type NetworkWishes, readNetworkWishes, writeNetworkWishes } from '../../../bundle/network.ts'
import { tryDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { hasIpv6Route } from '../../../linux/interfaces/ipv6.ts'
import { eventually, testClient } from '../../client/client.double.ts'
import { networkDir } from '../../client/networks/store.ts'
import { recordPaths } from '../../client/record.ts'
import { createSnapshot } from '../../client/snapshots/store.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(120_000)

/** Whether somebody waits for the shim at this socket to take a connection: state 2 (SS_CONNECTING) in proc_net_unix(5). */
const isAsked = (socket: string) =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => / 02 +\d+ /.test(line) && line.endsWith(` ${socket}`))

/** The files that a process has open; those that it closes meanwhile are left out. */
const openFiles = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      return []
    }
  })

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
  const places = ['0.0.0.0:8080', ...(hasIpv6Route() ? ['[::]:8080'] : [])]
  const lines = (before: string) => places.map((place) => `${before}${place}\n`).join('')
  expect((await client.kata('port', 'late', '80')).stdout).toBe(lines(''))
  expect((await client.kata('port', 'late')).stdout).toBe(lines('80/tcp -> '))
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

test('a link in the place of the file of an id is not followed', async () => {
  await using client = testClient()
  const [file, precious] = [`${client.base}/id`, `${client.base}/precious`]
  writeFileSync(precious, 'as it was')
  const words = ['--cidfile', file, '--rootfs', client.base, '--', 'true']
  for (const [name, expected] of [
    ['first', 0],
    ['first', 125],
  ] as const) {
    const made = client.spawn(['create', '--name', name, ...words])
    // Another user's directory, who waits for the file.
    while (!existsSync(file) && made.exitCode === null) await Bun.sleep(0)
    rmSync(file, { force: true })
    symlinkSync(precious, file)
    expect(await made.exited).toBe(expected)
    expect(readFileSync(precious, 'utf8')).toBe('as it was')
    rmSync(file)
  }
  await client.kata('rm', 'first')
})

test('the file of an id is not held open while the container runs', async () => {
  await using client = testClient()
  const file = `${client.base}/id`
  const words = ['--rm', '--name', 'long', '--cidfile', file, '--rootfs', client.base, '--', 'sleep', '60']
  const run = client.spawn(['run', ...words])
  await eventually(async () => existsSync(file) && readFileSync(file, 'utf8') === 'long')
  await eventually(async () => (await client.list()).length === 1)
  expect(openFiles(run.pid)).not.toContain(file)
  await client.kata('rm', '--force', 'long')
  await run.exited
})

test.each([
  ['create', []],
  ['run', ['-d']],
])(
  'a signal ends the wait of `%s` for others that look for ports or places, and nothing is left',
  async (command, flags) => {
    await using client = testClient()
    await client.kata('network', 'create', 'front')
    const waits = [
      { path: `${client.base}/state/containers`, options: ['-p', '80'] },
      {
        path: networkDir({ stateDir: `${client.base}/state`, namespace: 'default' }, 'front'),
        options: ['--network', 'front'],
      },
    ]
    for (const { path, options } of waits) {
      mkdirSync(path, { recursive: true })
      using _held = tryDirectoryLock(path)
      const words = [...flags, '--name', 'late', ...options, '--rootfs', client.base, '--', 'true']
      const child = client.spawn([command, ...words])
      await eventually(() => openFiles(child.pid).includes(path))
      child.kill('SIGINT')
      expect(await child.exited).toBe(130)
      expect(await client.list()).toEqual([])
    }
  },
)

/** A snapshot by this name, as far as it is looked at before its machine starts. */
function saveSnapshot(base: string, name: string, network: NetworkWishes) {
  const [store, bundle] = [{ stateDir: `${base}/state`, namespace: 'default' }, `${base}/bundle`]
  mkdirSync(bundle)
  writeFileSync(bundleFile(bundle, 'spec'), '{}', { mode: 0o600 })
  writeNetworkWishes(bundle, network)
  const facts = {
    ...{ version: 1, savedBy: '1', savedAt: 'now', key: 'k', accelerator: 'tcg', container: 'web' },
    disks: [{ id: 'd', place: 'p', readonly: false, bytes: 4, sha256: 'd', changedAt: '1' }],
    plan: { vcpus: 1, maxVcpus: 0, memoryMiB: 256, maxMemoryMiB: 0 },
    state: { bytes: 6, sha256: 'd' },
  }
  const record = {
    ...{ id: 'web', namespace: 'default', command: ['true'], image: 'busybox', layers: [], bootId: 'b' },
    ...{ createdAt: '2026-01-01T00:00:00.000Z', status: 'running' as const, terminal: false },
    ...{ detached: false, autoRemove: false },
  }
  return createSnapshot(store, name, { record, bundle }, async (to) => {
    mkdirSync(to, { mode: 0o700 })
    for (const [file, content] of [
      ['state', 'memory'],
      ['written.img', 'disk'],
      ['checkpoint.json', JSON.stringify(facts)],
    ] as const)
      writeFileSync(`${to}/${file}`, content, { mode: 0o600 })
  })
}

test.each([
  ['in the foreground', []],
  ['in the background', ['-d']],
])(
  'a signal ends the wait of `run --from` for others that look for ports or places, %s, and nothing is left',
  async (_, flags) => {
    await using client = testClient()
    await client.kata('network', 'create', 'front')
    const place = { network: 'front', address: '10.89.0.2', bits: 24, gateway: '10.89.0.1', names: ['web'] }
    await saveSnapshot(client.base, 'warm', { ports: [], place })
    const waits = [
      { path: `${client.base}/state/containers`, options: ['-p', '80'] },
      { path: networkDir({ stateDir: `${client.base}/state`, namespace: 'default' }, 'front'), options: [] },
    ]
    for (const { path, options } of waits) {
      mkdirSync(path, { recursive: true })
      using _held = tryDirectoryLock(path)
      const child = client.spawn(['run', '--from', 'warm', '--name', 'late', ...flags, ...options])
      await eventually(() => openFiles(child.pid).includes(path))
      child.kill('SIGINT')
      expect(await child.exited).toBe(130)
      expect(await client.list()).toEqual([])
    }
  },
)

test('who starts a container with its input ends that, too', async () => {
  await using client = testClient()
  const script = 'cat; echo over'
  await client.kata('create', '-i', '--name', 'reads', '--rootfs', client.base, '--', 'sh', '-c', script)
  const started = client.spawn(['start', '-a', '-i', 'reads'], new Blob(['x'.repeat(100_000)]))
  const outcome = Promise.all([started.stdout.text(), started.exited])
  expect(await Promise.race([outcome, Bun.sleep(20_000)])).toEqual([`${'x'.repeat(100_000)}over\n`, 0])
})

test('on a network a renamed container is found by its new name and its aliases, and the old name is free', async () => {
  await using client = testClient()
  await client.kata('network', 'create', 'front')
  const create = (name: string, ...more: string[]) =>
    client.kata(
      ...['create', '--name', name, '--network', 'front', ...more, '--rootfs', client.base, '--', 'true'],
    )
  await create('Web', '--network-alias', 'www')
  expect((await client.kata('rename', 'Web', 'Web-old')).code).toBe(0)
  await create('web')
  const view =
    '{{range.NetworkSettings.Networks}}{{.IPAddress}}/{{.IPPrefixLen}} {{join .Aliases ","}}{{end}} {{.NetworkSettings.Networks.front.Gateway}}'
  const [front] = JSON.parse((await client.kata('network', 'inspect', 'front')).stdout)
  const own = front.containers.find(({ container }: { container: string }) => container === 'web')
  expect(await client.kata('inspect', '-f', view, 'web')).toMatchObject({
    code: 0,
    stdout: `${own.address}/24 web ${front.gateway}\n`,
  })
  const names = front.containers.map((use: { container: string; names: string[] }) => [
    use.container,
    use.names,
  ])
  expect(Object.fromEntries(names)).toEqual({ 'Web-old': ['web-old', 'www'], web: ['web'] })
  for (const name of ['Web-old', 'web']) await client.kata('rm', name)
  expect(client.leftovers()).toEqual([])
})

test('a rename that was killed half-way is finished by the next start', async () => {
  await using client = testClient()
  await client.kata('network', 'create', 'front')
  const flags = ['--network', 'front', '--network-alias', 'www', '--rootfs', client.base]
  await client.kata('create', '--name', 'before', ...flags, '--', 'true')
  const containers = `${client.base}/state/containers/default`
  // All that it did.
  renameSync(`${containers}/before`, `${containers}/after`)
  expect((await client.kata('start', '-a', 'after')).code).toBe(0)
  const { bundle } = recordPaths(`${client.base}/state`, 'default', 'after')
  expect(readNetworkWishes(bundle)?.place?.names).toEqual(['after', 'www'])
  expect(readEventLogWishes(bundle)?.attributes.name).toBe('after')
  expect((await client.kata('rm', 'after')).code).toBe(0)
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
    total: 2,
    active: 1,
  })
  const { shimPid } = (await client.list()).find(({ id }) => id === 'runs')!
  // Who asks it is to be seen, and has an answer within a millisecond otherwise.
  process.kill(shimPid!, 'SIGSTOP')
  const waiting = client.spawn(['wait', '--condition', 'removed', 'runs'])
  // It has found the container once it asks its shim.
  await eventually(() => isAsked(`${client.base}/run/runs.sock`))
  process.kill(shimPid!, 'SIGCONT')
  await client.kata('rm', '-f', 'runs')
  expect([await waiting.exited, await waiting.stdout.text()]).toEqual([0, '-1\n'])
})

test('a disk of a container’s own is found by its new name', async () => {
  await using client = testClient()
  const files = `${client.base}/files`
  mkdirSync(files)
  const made = await client.kata(
    ...['create', '--name', 'before', '--storage-opt', 'size=16M', '--rootfs', files, '--', 'true'],
  )
  expect(made).toMatchObject({ code: 0, stdout: 'before\n' })
  expect((await client.kata('rename', 'before', 'after')).code).toBe(0)
  const directory = `${client.base}/state/containers/default/after`
  const { disks } = JSON.parse(readFileSync(`${directory}/record.json`, 'utf8'))
  expect(disks.image).toBe(`${directory}/image.erofs`)
  expect(existsSync(disks.image)).toBe(true)
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

test('free ports of the host lead to what is exposed, no two containers get the same, and ps and inspect show them', async () => {
  await using client = testClient()
  const make = (name: string, ...words: string[]) =>
    client.kata('create', '--name', name, '--rootfs', client.base, ...words, '--', 'true')
  const ports = async (name: string): Promise<object[]> =>
    JSON.parse((await client.kata('--format', 'json', 'port', name)).stdout)
  const all = ['-P', '--expose', '80-81', '--expose', '53/udp', '-p', '18080:80', '-p', '127.0.0.1::443']
  const made = await Promise.all(['one', 'two'].map((name) => make(name, ...all)))
  expect(made.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
    made.map(() => ({ code: 0, stderr: '' })),
  )
  const both = [await ports('one'), await ports('two')]
  const free = (port: object) => ({ ...port, host: expect.any(Number) })
  for (const found of both)
    expect(found).toEqual([
      { host: 18080, container: 80, protocol: 'tcp' },
      free({ address: '127.0.0.1', container: 443, protocol: 'tcp' }),
      free({ container: 81, protocol: 'tcp' }),
      free({ container: 53, protocol: 'udp' }),
    ])
  const hosts = both.flat().map((port) => `${Reflect.get(port, 'host')}/${Reflect.get(port, 'protocol')}`)
  expect(new Set(hosts).size).toBe(7)
  const view = '{{json .Config.ExposedPorts}} {{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}'
  expect(await client.kata('inspect', '--format', view, 'one')).toMatchObject({
    stderr: '',
    stdout: '{"80/tcp":{},"81/tcp":{},"53/udp":{},"443/tcp":{}} 18080\n',
  })
  const shown = (await client.kata('ps', '--format', '{{.Ports}}', '-f', 'name=one')).stdout
  expect(shown.match(/\[::\]:\d+->/g) ?? []).toHaveLength(hasIpv6Route() ? 3 : 0)
  expect(shown.replaceAll(/, \[::\]:[^,\n]+/g, '')).toMatch(
    /^0\.0\.0\.0:18080->80\/tcp, 127\.0\.0\.1:\d+->443\/tcp, 0\.0\.0\.0:\d+->81\/tcp, 0\.0\.0\.0:\d+->53\/udp\n$/,
  )
  expect((await client.kata('ps')).stdout).toMatch(/OPEN WALLS +PORTS +ROOTFS/)

  // Without -P it is a note; without a port that is exposed -P publishes nothing.
  expect((await make('noted', '--expose', '80')).code).toBe(0)
  expect((await make('bare', '-P')).code).toBe(0)
  expect([await ports('noted'), await ports('bare')]).toEqual([[], []])
  expect(JSON.parse((await client.kata('inspect', 'noted')).stdout)).toMatchObject([
    { exposed: ['80/tcp'], ports: [] },
  ])
  expect((await make('far', '-p', '192.0.2.1::80')).stderr).toContain('[NETWORK_PORTS_TAKEN]')
})

test('a container that a full disk has no room for is not there, and its name is free', async () => {
  await using client = testClient()
  const state = `${client.base}/state`
  mkdirSync(state)
  const mount = ['/usr/bin/mount', '-t', 'tmpfs', '-o', 'size=96k,mode=755', 'kata-ts-test', state]
  expect(Bun.spawnSync(mount).exitCode).toBe(0)
  try {
    const create = (...options: string[]) =>
      client.kata('create', '--name', 'large', ...options, '--rootfs', client.base, '--', 'true')
    expect(await create('--env', `LARGE=${'x'.repeat(100_000)}`)).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('ENOSPC'),
    })
    expect(client.leftovers()).toEqual([])
    expect((await create()).code).toBe(0)
    expect((await client.kata('rm', 'large')).code).toBe(0)
  } finally {
    Bun.spawnSync(['/usr/bin/umount', state])
  }
})

test('update takes a limit of processes away, as docker does', async () => {
  await using client = testClient()
  await client.kata('create', '--name', 'made', '--rootfs', client.base, '--', 'true')
  const config = `${client.base}/state/containers/default/made/bundle/config.json`
  const limit = () => JSON.parse(readFileSync(config, 'utf8')).linux.resources.pids
  for (const [asked, kept] of [
    ['7', 7],
    ['-1', -1],
    ['7', 7],
    ['0', -1],
  ] as const) {
    expect(await client.kata('update', '--pids-limit', asked, 'made')).toMatchObject({ code: 0 })
    expect(limit()).toEqual({ limit: kept })
  }
  expect((await client.kata('update', '--pids-limit', '-2', 'made')).stderr).toContain('or -1 for no limit')
})

test('a start that fails says why, also where its clean-up fails besides', async () => {
  await using client = testClient()
  await client.kata('create', '--name', 'poor', '--rootfs', client.base, '--', 'refuse-create')
  const refuse = `${client.base}/state/containers/default/poor/refuse-delete`
  writeFileSync(refuse, '')
  const result = `${client.base}/result.json`
  const { code, stderr } = await client.kata('--result-file', result, 'start', 'poor')
  expect(code).toBe(1)
  expect(stderr).toMatch(/\[AGENT_DIED\].*\n.*\[SHIM_DELETE_FAILED\]/)
  expect(JSON.parse(readFileSync(result, 'utf8')).errors).toMatchObject([
    { code: 'AGENT_DIED' },
    { code: 'SHIM_DELETE_FAILED' },
  ])
  rmSync(refuse)
})
