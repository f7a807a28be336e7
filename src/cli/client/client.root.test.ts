/** The whole client against a double of the shim: what it leaves, what it returns, what it passes on. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { isAlive, processRef } from '../../linux/processes/proc.ts'
import { makeDeepTree } from '../../linux/testing.ts'
import { someFacts } from '../../sandbox/records/facts.double.ts'
import { eventually } from './client.double.ts'
import { recordPaths } from './record.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/client-`)
})
afterEach(async () => {
  for (const { id } of await list()) await kata('rm', '--force', id)
  rmSync(base, { recursive: true })
})

const host = `${import.meta.dir}/client.host.ts`

function spawn(args: readonly string[], stdin: Blob | 'ignore' = 'ignore') {
  return Bun.spawn([process.execPath, host, base, ...args], { stdio: [stdin, 'pipe', 'pipe'] })
}

async function finish(child: ReturnType<typeof spawn>) {
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}

const kata = (...args: string[]) => finish(spawn(args))
const run = (...args: string[]) => kata('run', '--rm', '--rootfs', base, '--', ...args)

async function list(): Promise<{ id: string; status: string; exitCode: number; shimPid: number }[]> {
  return JSON.parse((await kata('ps', '--format', 'json')).stdout)
}

/** Runs `gc` with a range of ids that no host uses, so that it does not touch the host's sandboxes. */
function gc() {
  const range = 'rootless_uid_base = 2013265920\nrootless_uid_blocks = 1\n'
  writeFileSync(`${base}/c.toml`, `[hypervisor.qemu]\n${range}`)
  return kata('gc', '--config', `${base}/c.toml`)
}

/** A command that runs until the test, or its end, removes a file. */
function whileRunning(): string[] {
  const running = `${base}/running`
  writeFileSync(running, '')
  return ['sh', '-c', `while [ -e ${running} ]; do sleep 0.02; done`]
}

/** Present records and sockets. */
function leftovers(): string[] {
  return ['state/containers/default', 'run'].flatMap((name) =>
    existsSync(`${base}/${name}`) ? readdirSync(`${base}/${name}`) : [],
  )
}

describe('run in the foreground', () => {
  test.each([
    [0, ['true']],
    [42, ['sh', '-c', 'exit 42']],
    [137, ['sh', '-c', 'kill -KILL $$']],
    [127, ['no-such-command']],
    [125, ['refuse-create']],
  ])('exits with %d and leaves nothing', async (code, command) => {
    const outcome = await run(...command)
    expect(outcome).toMatchObject({ code, stdout: '' })
    const { message } = new KataError('AGENT_DIED', { endpoint: 'e', reason: 'no guest' })
    if (code === 125) expect(outcome.stderr).toBe(`kata-ts: ${message}\n`)
    expect(leftovers()).toEqual([])
  })

  test('tells why the shim did not start in the words of the shim', async () => {
    const outcome = await kata('run', '--name', 'c', '--rm', '--rootfs', base, '--', 'refuse-start')
    const { message } = new KataError('POD_SHIM_GONE', { id: 'c', pod: 'p' })
    expect(outcome).toEqual({ code: 125, stdout: '', stderr: `kata-ts: ${message}\n` })
    expect(leftovers()).toEqual([])
  })

  test('an answer of the shim without a code is told with one of ours', async () => {
    const { code, stderr } = await run('refuse-without-code')
    expect(code).toBe(125)
    expect(stderr).toMatch(
      /^kata-ts: \[SHIM_CALL_FAILED\] Create of container [\w-]+ failed with internal: the guest says: no\. /,
    )
  })

  test('keeps stdout and stderr apart and whole', async () => {
    const outcome = await run('sh', '-c', 'echo oops >&2; head -c 2000000 /dev/zero')
    expect(outcome.stdout.length).toBe(2_000_000)
    expect(outcome.stderr).toBe('oops\n')
  })

  test('passes stdin on with -i only', async () => {
    const input = new Blob(['x'.repeat(300_000)])
    const piped = await finish(spawn(['run', '--rm', '-i', '--rootfs', base, '--', 'wc', '-c'], input))
    expect(piped.stdout.trim()).toBe('300000')
    const without = await finish(spawn(['run', '--rm', '--rootfs', base, '--', 'wc', '-c'], input))
    expect(without.stdout.trim()).toBe('0')
  })

  test('forwards SIGTERM, and a second one kills', async () => {
    const script = 'trap "echo got it" TERM; echo ready; while :; do sleep 0.02; done'
    const child = spawn(['run', '--rm', '--name', 'stubborn', '--rootfs', base, '--', 'sh', '-c', script])
    const reader = child.stdout.getReader()
    const next = async () => new TextDecoder().decode((await reader.read()).value)
    expect(await next()).toBe('ready\n')
    child.kill('SIGTERM')
    expect(await next()).toBe('got it\n')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(137)
    expect(leftovers()).toEqual([])
  })

  test('a reader that leaves ends the container', async () => {
    const child = spawn(['run', '--rm', '--rootfs', base, '--', 'yes'])
    const reader = child.stdout.getReader()
    await reader.read()
    await reader.cancel()
    expect(await child.exited).toBe(137)
    expect(leftovers()).toEqual([])
  })

  test('an output that cannot be written ends it, is told, and is no success', async () => {
    for (const [code, command] of [
      [137, ['yes']],
      [125, ['echo', 'hi']],
    ] as const) {
      const args = ['run', '--rm', '--rootfs', base, '--', ...command]
      const child = Bun.spawn([process.execPath, host, base, ...args], {
        stdio: ['ignore', Bun.file('/dev/full'), 'pipe'],
      })
      const [stderr, exited] = await Promise.all([child.stderr.text(), child.exited])
      expect({ command, stderr }).toEqual({ command, stderr: expect.stringContaining('[OUTPUT_FAILED]') })
      expect(stderr).toContain('ENOSPC')
      // A short command may be over before it can be killed.
      expect(exited === code || (code === 125 && exited === 137)).toBe(true)
    }
    expect(leftovers()).toEqual([])
  })

  test('a shim that dies is reported with 137', async () => {
    const child = spawn(['run', '--rm', '--name', 'lost', '--rootfs', base, '--', ...whileRunning()])
    const listed = await eventually(async () => (await list()).find(({ status }) => status === 'running'))
    process.kill(listed!.shimPid, 'SIGKILL')
    const { code, stderr } = await finish(child)
    expect({ code, stderr }).toEqual({ code: 137, stderr: expect.stringContaining('[SHIM_DIED]') })
    expect(leftovers()).toEqual([])
  })

  test('a container without --rm is kept when its shim dies', async () => {
    const child = spawn(['run', '--name', 'lost', '--rootfs', base, '--', ...whileRunning()])
    const listed = await eventually(async () => (await list()).find(({ status }) => status === 'running'))
    process.kill(listed!.shimPid, 'SIGKILL')
    const { code, stderr } = await finish(child)
    expect({ code, stderr }).toEqual({ code: 137, stderr: expect.stringContaining('[SHIM_DIED]') })
    expect(await list()).toEqual([expect.objectContaining({ id: 'lost', status: 'stopped', exitCode: 137 })])
    expect((await kata('rm', 'lost')).code).toBe(0)
    expect(leftovers()).toEqual([])
  })

  test('running out of memory is told, and shown by ps and inspect', async () => {
    const args = ['--rootfs', base, '--', 'sh', '-c', 'kill -KILL $$', 'out-of-memory']
    const { code, stderr } = await kata('run', '--name', 'hungry', ...args)
    expect({ code, stderr }).toEqual({
      code: 137,
      stderr: expect.stringContaining('[CONTAINER_OOM] container hungry'),
    })
    expect((await kata('ps')).stdout).toContain('stopped (137, OOM)')
    expect(await list()).toEqual([expect.objectContaining({ exitCode: 137, oomKilled: true })])
    expect(JSON.parse((await kata('inspect', 'hungry')).stdout)).toMatchObject([{ oomKilled: true }])
  })

  test('without --rm the record stays with its exit code', async () => {
    await kata('run', '--name', 'kept', '--rootfs', base, '--', 'sh', '-c', 'exit 3')
    expect(await list()).toEqual([
      expect.objectContaining({ id: 'kept', status: 'stopped', exitCode: 3, oomKilled: false }),
    ])
    expect((await kata('rm', 'kept')).code).toBe(0)
    expect(leftovers()).toEqual([])
  })
})

test('labels are noted, and ps looks for them', async () => {
  writeFileSync(`${base}/labels`, 'tier=web\n# none\nlive\n')
  const flags = ['--label-file', `${base}/labels`, '-l', 'tier=db', '--cidfile', `${base}/id`]
  expect((await kata('run', '--name', 'noted', ...flags, '--rootfs', base, '--', 'true')).code).toBe(0)
  await kata('run', '--name', 'plain', '--rootfs', base, '--', 'true')
  expect(readFileSync(`${base}/id`, 'utf8')).toBe('noted')
  // A container that could not start has no such file.
  const again = ['--cidfile', `${base}/other`, '--rootfs', base, '--', 'no-such-command']
  expect((await kata('run', '--name', 'noted', ...again)).code).toBe(125)
  expect(existsSync(`${base}/other`)).toBe(false)
  expect((await kata('ps', '-aqf', 'label=tier=db')).stdout).toBe('noted\n')
  expect((await kata('ps', '-q', '--filter', 'status=exited', '-f', 'name=plain')).stdout).toBe('plain\n')
  expect(JSON.parse((await kata('inspect', 'noted')).stdout)).toMatchObject([
    { labels: { tier: 'db', live: '' } },
  ])
})

describe('run in the background', () => {
  const start = (name: string, ...command: string[]) =>
    kata('run', '-d', '--name', name, '--rootfs', base, '--', ...command)

  test('prints the name; logs, exec, kill and rm work on it', async () => {
    expect(await start('worker', 'sh', '-c', 'echo out; echo err >&2; exec sleep 30')).toEqual({
      code: 0,
      stdout: 'worker\n',
      stderr: '',
    })
    await eventually(async () => (await kata('logs', 'worker')).stderr === 'err\n')
    expect((await kata('logs', 'worker')).stdout).toBe('out\n')
    const exec = await kata('exec', 'worker', '--', 'sh', '-c', 'echo inside; exit 7')
    expect(exec).toEqual({ code: 7, stdout: 'inside\n', stderr: '' })
    expect((await kata('exec', 'worker', 'no-such-command')).code).toBe(127)
    expect((await kata('rm', 'worker')).stderr).toContain('[CONTAINER_RUNNING]')
    expect((await kata('kill', 'worker')).code).toBe(0)
    await eventually(async () => (await list())[0]?.status === 'stopped')
    expect((await kata('exec', 'worker', 'true')).stderr).toContain('[CONTAINER_NOT_RUNNING]')
    expect((await kata('rm', 'worker')).stdout).toBe('worker\n')
    expect(leftovers()).toEqual([])
  })

  test('an exec that is interrupted before it is made does not start', async () => {
    const mark = `${base}/started`
    await start('host', 'sleep', '60')
    const touch = (word: string) => spawn(['exec', 'host', 'touch', mark, word])
    const child = touch('made-late')
    const io = `${base}/state/containers/default/host/io`
    await eventually(() => existsSync(io) && readdirSync(io).some((name) => name.startsWith('exec-')))
    child.kill('SIGINT')
    expect(await child.exited).toBe(130)
    await Bun.sleep(1500)
    expect(existsSync(mark)).toBe(false)
    // The control: without an interruption the file is made.
    expect(await touch('made-late').exited).toBe(0)
    expect(existsSync(mark)).toBe(true)
  })

  test('a command that a pause kept from starting in the background leaves its id free', async () => {
    await start('host', 'sleep', '60')
    const exec = (...command: string[]) => kata('exec', '-d', '--exec-id', 'job', 'host', ...command)
    const refused = await exec('true', 'paused-meanwhile')
    expect(refused.code).toBe(125)
    expect(refused.stderr).toContain('[TASK_STATE] cannot exec in host: it is paused')
    expect(await exec('true')).toMatchObject({ code: 0, stderr: '' })
    await kata('rm', '-f', 'host')
  })

  test('a command in the background that is interrupted before it is made leaves its id free', async () => {
    const mark = `${base}/started`
    await start('host', 'sleep', '60')
    const child = spawn(['exec', '-d', '--exec-id', 'job', 'host', 'touch', mark, 'made-late'])
    const { bundle } = recordPaths(`${base}/state`, 'default', 'host')
    await eventually(() => existsSync(`${bundle}/exec-asked`))
    child.kill('SIGINT')
    expect(await child.exited).toBe(130)
    await eventually(() => existsSync(`${bundle}/exec-made`))
    const again = await kata('exec', '-d', '--exec-id', 'job', 'host', 'true')
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(mark)).toBe(false)
    await kata('rm', '-f', 'host')
  })

  test('what is paused runs no further command, and says so; unpaused it goes on', async () => {
    await start('held', 'sleep', '60')
    expect((await kata('pause', 'held')).code).toBe(0)
    const refused = await kata('exec', 'held', 'true')
    expect(refused.code).toBe(125)
    expect(refused.stderr).toContain('[CONTAINER_NOT_RUNNING] container held is paused, not running')
    expect((await kata('unpause', 'held')).code).toBe(0)
    expect((await kata('exec', 'held', 'true')).code).toBe(0)
    expect((await kata('rm', '-f', 'held')).stdout).toBe('held\n')
    expect(leftovers()).toEqual([])
  })

  test('logs --follow goes on until the end', async () => {
    await start('talker', 'sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done')
    expect((await kata('logs', '--follow', 'talker')).stdout).toBe('1\n2\n3\n')
  })

  test('inspect tells what is known', async () => {
    await start('known', 'sleep', '30')
    const [facts] = JSON.parse((await kata('inspect', 'known')).stdout)
    expect(facts).toMatchObject({ id: 'known', status: 'running', command: ['sleep', '30'] })
    expect(facts.sandbox.shimPid).toBeGreaterThan(1)
    const [full] = JSON.parse((await kata('inspect', '--full', 'known')).stdout)
    const { syscalls, ...profile } = full.config.linux.seccomp
    expect(facts.config.linux.seccomp).toEqual({ ...profile, rules: syscalls.length })
    expect(syscalls.length).toBeGreaterThan(1)
  })

  test('ps fits its lines into the terminal, and nowhere else', async () => {
    const command = ['sh', '-c', `exec sleep 30 # ${'long '.repeat(40)}`]
    await start('wide', ...command)
    const output: string[] = []
    const shown = () => output.join('')
    const child = Bun.spawn([process.execPath, host, base, 'ps'], {
      terminal: { cols: 90, rows: 24, data: (_, chunk) => void output.push(Buffer.from(chunk).toString()) },
    })
    expect(await child.exited).toBe(0)
    await eventually(() => shown().includes('...'))
    expect(
      Math.max(
        ...shown()
          .split('\r\n')
          .map((line) => line.length),
      ),
    ).toBe(90)
    expect((await kata('ps')).stdout).toContain(command[2]!.trimEnd())
  })

  test('a name is used once', async () => {
    await start('only', 'sleep', '30')
    const second = await start('only', 'true')
    expect(second.code).toBe(125)
    expect(second.stderr).toContain('[CONTAINER_EXISTS]')
    expect((await list())[0]).toMatchObject({ id: 'only', status: 'running' })
  })

  test('a dead shim is shown and collected', async () => {
    await start('orphan', ...whileRunning())
    const [listed] = await list()
    process.kill(listed!.shimPid, 'SIGKILL')
    await eventually(async () => (await list())[0]?.status === 'dead')
    {
      // Another command holds the lock while it starts, suspends or resumes the container.
      using _held = tryDirectoryLock(`${base}/state/containers/default/orphan`)
      expect((await gc()).stdout).not.toContain('default/orphan')
      expect((await list())[0]).toMatchObject({ status: 'dead' })
    }
    expect((await gc()).stdout).toContain('default/orphan')
    expect((await list())[0]).toMatchObject({ status: 'stopped', exitCode: 137 })
  })

  test('rm --force of a container with --rm, whose own client cleans up as well', async () => {
    for (let round = 0; round < 2; round++) {
      await kata('run', '-d', '--rm', '--name', 'both', '--rootfs', base, '--', 'sleep', '30')
      expect(await kata('rm', '--force', 'both')).toEqual({ code: 0, stdout: 'both\n', stderr: '' })
      expect(leftovers()).toEqual([])
    }
  })

  test('rm --force of a container that another terminal runs', async () => {
    const client = spawn(['run', '--rm', '--name', 'shown', '--rootfs', base, '--', 'sleep', '30'])
    await eventually(async () => (await list())[0]?.status === 'running')
    expect(await kata('rm', '--force', 'shown')).toEqual({ code: 0, stdout: 'shown\n', stderr: '' })
    expect(await client.exited).toBe(137)
    expect(leftovers()).toEqual([])
  })

  test('rm --force ends what runs under a record that cannot be read', async () => {
    await start('torn', 'sleep', '30')
    const [listed] = await list()
    writeFileSync(`${base}/state/containers/default/torn/record.json`, '{')
    expect((await kata('rm', 'torn')).stderr).toContain('[RECORD_UNREADABLE]')
    const shim = processRef(listed!.shimPid)!
    expect(isAlive(shim)).toBe(true)
    expect(await kata('rm', '--force', 'torn')).toEqual({ code: 0, stdout: 'torn\n', stderr: '' })
    expect(isAlive(shim)).toBe(false)
    expect(leftovers()).toEqual([])
  })

  test('rm removes a tree deeper than any path, and gc what a removal that was killed has left', async () => {
    await start('deep', 'true')
    makeDeepTree(`${base}/state/containers/default/deep/upper/t`, 3000)
    mkdirSync(`${base}/state/containers/default/.removed-1`)
    makeDeepTree(`${base}/state/containers/default/.removed-1/t`, 3000)
    expect(await kata('rm', '--force', 'deep')).toMatchObject({ code: 0, stdout: 'deep\n' })
    expect((await gc()).stdout).toContain('.removed-1')
    expect(leftovers()).toEqual([])
  }, 60_000)

  test('with --rm a container removes itself', async () => {
    await kata('run', '-d', '--rm', '--name', 'brief', '--rootfs', base, '--', ...whileRunning())
    expect(leftovers()).not.toEqual([])
    rmSync(`${base}/running`)
    await eventually(() => leftovers().length === 0)
  })
})

test('a guest image that is booted next, or was booted, is removed with --force only', async () => {
  const cache = `${base}/cache`
  const image = (id: string) => `${cache}/images/${id}`
  for (const id of ['next', 'used', 'old']) mkdirSync(image(id), { recursive: true })
  symlinkSync('images/next', `${cache}/current`)
  mkdirSync(`${base}/run/default/web`, { recursive: true })
  const facts = someFacts({ kernel: `${image('used')}/vmlinux`, initrd: `${image('used')}/initrd` })
  writeFileSync(`${base}/run/default/web/sandbox.json`, JSON.stringify(facts))
  const rm = (...args: string[]) => kata('guest', 'rm', '--cache-dir', cache, ...args)
  const refused = await rm('next', 'used', 'old')
  expect(refused).toMatchObject({ code: 1, stdout: 'old\n' })
  expect(refused.stderr).toContain('[IMAGE_IN_USE] guest image next is the one that the next sandbox boots')
  expect(refused.stderr).toContain('guest image used is in use by default/web')
  expect(readdirSync(`${cache}/images`).sort()).toEqual(['next', 'used'])
  expect((await rm('--force', 'used')).code).toBe(0)
  expect(readdirSync(cache).sort()).toEqual(['current', 'images'])
  expect((await rm('--force', 'next')).code).toBe(0)
  expect(readdirSync(cache)).toEqual(['images'])
  rmSync(`${base}/run/default`, { recursive: true })
})

test('an image whose /etc is a link gets its files there, which are no change', async () => {
  mkdirSync(`${base}/files/usr/etc`, { recursive: true })
  symlinkSync('usr/etc', `${base}/files/etc`)
  const create = ['create', '--name', 'new', '--rootfs', `${base}/files`, '--', 'true']
  expect((await kata(...create)).code).toBe(0)
  const upper = `${base}/state/containers/default/new/upper`
  expect(readdirSync(`${upper}/usr/etc`).sort()).toEqual(['hostname', 'hosts', 'resolv.conf'])
  expect((await kata('diff', 'new')).stdout).toBe('')
  mkdirSync(`${upper}/srv`)
  expect((await kata('diff', 'new')).stdout).toBe('A /srv\n')
})

test('what the person asked for is in the bundle', async () => {
  writeFileSync(`${base}/file`, '')
  writeFileSync(`${base}/app.env`, '# for the app\nA=file\nB=file\n')
  await kata(
    ...[
      'run',
      '--mount',
      `type=bind,src=${base}/file,dst=/y,ro`,
      '--mount',
      'type=tmpfs,target=/z',
      '--name',
      'asked',
      '--env-file',
      `${base}/app.env`,
      '--entrypoint',
      'env',
      '--rootfs',
      base,
      '-v',
      `${base}/file:/x:ro`,
      '-e',
      'A=b',
      '-u',
      '5:6',
    ],
    ...[
      '-h',
      'house',
      '-w',
      '/tmp',
      '--machine-memory',
      '300M',
      '-m',
      '64M',
      '--cpus',
      '.5',
      '--rootless',
      'false',
      '--pids-limit',
      '9',
      '--',
      'true',
      '-x',
    ],
  )
  const bundle = `${base}/state/containers/default/asked/bundle`
  const config = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8'))
  expect(config.process).toMatchObject({ args: ['env', 'true', '-x'], cwd: '/tmp', user: { uid: 5, gid: 6 } })
  expect(config.process.env.slice(-2)).toEqual(['A=b', 'B=file'])
  expect(config.hostname).toBe('house')
  expect(config.linux.resources).toMatchObject({
    memory: { limit: 64 * 2 ** 20 },
    cpu: { quota: 50_000, period: 100_000 },
    pids: { limit: 9 },
  })
  expect(config.mounts.slice(-3)).toMatchObject([
    { destination: '/x', options: ['rbind', 'rprivate', 'ro'] },
    { destination: '/y', options: ['rbind', 'rprivate', 'ro'] },
    { destination: '/z', type: 'tmpfs' },
  ])
  expect(JSON.parse(readFileSync(`${bundle}/overrides.json`, 'utf8'))).toEqual({
    memory: 300,
    rootless: false,
  })
})
