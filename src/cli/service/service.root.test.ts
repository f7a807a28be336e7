/** What members of the group may do and may not do, through a real service and real users; the shim is a double. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { makeOciFiles, makeTar } from '../../images/testing.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { O_PATH } from '../../linux/files/open-at.ts'
import { readOomScore, writeOomScore } from '../../linux/processes/oom-score.ts'
import { eventually } from '../client/client.double.ts'
import { TestService } from './service.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(300_000)

const alice = { uid: 4242 }
const bob = { uid: 4300 }
const stranger = { uid: 4400, isMember: false }
let service: TestService
let home: string

beforeAll(async () => {
  service = await new TestService().listens()
  home = `${service.base}/alice`
  mkdirSync(home)
  chownSync(home, alice.uid, alice.uid)
  writeFileSync(`${service.base}/secret`, 'KEY=secret\n', { mode: 0o600 })
})
afterAll(() => service[Symbol.asyncDispose]())

const list = async (user: { uid: number }) =>
  JSON.parse((await service.run(user, ['ps', '--format', 'json'])).stdout).map(({ id }: { id: string }) => id)

test('a member runs a container with streams, variables and an exit code, and only members do', async () => {
  const words = ['run', '--rm', '-i', '-e', 'MINE', '--', 'sh', '-c', 'cat; echo $0 >&2; exit 7']
  const { stdout, stderr, code } = await service.run(alice, words, {
    stdin: new Blob(['in']),
    env: { MINE: 'x' },
  })
  expect({ stdout, stderr, code }).toEqual({ stdout: 'in', stderr: 'sh\n', code: 7 })
  const refused = await service.run(stranger, ['ps'])
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('[SERVICE_UNREACHABLE]')
  expect(refused.stderr).toContain('EACCES')
  // Without the mode of the socket, the service itself looks.
  chmodSync(service.socket, 0o666)
  const outsider = await service.run(stranger, ['ps'])
  chmodSync(service.socket, 0o660)
  expect(outsider.stderr).toContain(
    '[SERVICE_NOT_A_MEMBER] user 4400 is not a member of the group games. Have root add the user (`usermod -aG games USER`)',
  )
  expect(service.log()).toMatch(/"refused","uid":4400,"pid":\d+,"error":"\[SERVICE_NOT_A_MEMBER\]/)
})

test('nobody is no member: other user namespaces may show anybody as him', async () => {
  const { stderr } = await service.run({ uid: 65_534 }, ['ps'])
  expect(stderr).toContain('[SERVICE_NOT_A_MEMBER] user 65534')
})

test('a socket that is not root’s is no service: it gets neither a terminal nor files', async () => {
  const base = `${home}/impostor`
  const socket = `${base}/run/service.sock`
  mkdirSync(`${base}/run`, { recursive: true })
  chownSync(`${base}/run`, alice.uid, alice.uid)
  const code = `
    import { listenUnix } from '${import.meta.dir}/../../linux/sockets/socket.ts'
    listenUnix('${socket}')
    console.log('listens')
    setTimeout(() => {}, 60_000)`
  const options = { cwd: '/', env: { PATH: process.env.PATH ?? '' } }
  const impostor = Bun.spawn([...service.as(alice), process.execPath, '-e', code], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  } as const)
  try {
    await impostor.stdout.getReader().read()
    chmodSync(socket, 0o777)
    const command = [process.execPath, `${import.meta.dir}/../client/client.host.ts`, base, 'ps']
    const child = Bun.spawn([...service.as(bob), ...command], { ...options, stderr: 'pipe' })
    expect(await child.stderr.text()).toMatch(/\[SERVICE_UNREACHABLE\].*it is not root’s/)
  } finally {
    impostor.kill()
    await impostor.exited
  }
})

test('a member’s container starts again by its policy, and only he sees what happens to it', async () => {
  const words = ['run', '-d', '--name', 'again', '--restart', 'on-failure:1', '--', 'sh', '-c', 'exit 3']
  expect((await service.run(alice, words)).code).toBe(0)
  const count = ['inspect', '--format', '{{.RestartCount}} {{.State.Status}}', 'again']
  await eventually(async () => (await service.run(alice, count)).stdout === '1 exited\n')
  const events = ['events', '--since', '10m', '--until', '0s', '--filter', 'container=again']
  expect((await service.run(alice, events)).stdout).toContain('container create again')
  expect(await service.run(bob, events)).toMatchObject({ code: 0, stdout: '' })
  expect((await service.run(bob, [...events, '--all-namespaces'])).stderr).toContain('[SERVICE_REFUSED]')
  await service.run(alice, ['rm', 'again'])
})

test('another user’s container is invisible, and root’s too', async () => {
  await service.run(alice, ['run', '-d', '--name', 'web', '--', 'sleep', '60'])
  await service.root('run', '-d', '--name', 'roots', '--rootfs', service.base, '--', 'sleep', '60')
  expect(await list(alice)).toEqual(['web'])
  expect(await list(bob)).toEqual([])
  for (const words of [
    ['exec', 'web', 'id'],
    ['stop', 'web'],
    ['rm', 'web'],
    ['inspect', 'web'],
    ['logs', 'web'],
  ]) {
    const { stderr, code } = await service.run(bob, words)
    expect([words, code !== 0, stderr.includes('[CONTAINER_NOT_FOUND]')]).toEqual([words, true, true])
  }
  // As docker: told, and no failure.
  expect(await service.run(bob, ['rm', '-f', 'web'])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('[CONTAINER_NOT_FOUND]'),
  })
  expect((await service.run(alice, ['exec', 'roots', 'id'])).stderr).toContain('[CONTAINER_NOT_FOUND]')
  expect((await service.run(alice, ['exec', 'web', 'echo', 'mine'])).stdout).toBe('mine\n')
  expect(statSync(`${service.base}/state/containers/uid-4242`)).toMatchObject({ uid: 0, mode: 0o040700 })
  expect((await service.run(alice, ['rm', '-f', 'web'])).code).toBe(0)
  const { stdout } = await service.root('ps', '--quiet')
  expect(stdout).toBe('roots\n')
  await service.root('rm', '-f', 'roots')
})

test('files are read with the user’s rights: his own, and not root’s by any way', async () => {
  writeFileSync(`${home}/env`, 'KEY=mine\n')
  symlinkSync(`${service.base}/secret`, `${home}/link`)
  const read = (file: string) =>
    service.run(alice, ['run', '--rm', '--env-file', file, '--', 'true'], { cwd: home })
  expect((await read('env')).code).toBe(0)
  for (const file of [`${service.base}/secret`, 'link', '/proc/1/environ']) {
    const { stderr, code } = await read(file)
    expect([file, code]).toEqual([file, 125])
    expect(stderr).toMatch(/\[CALLER_FILE\].*EACCES/)
  }
  expect((await read(home)).stderr).toContain('it is not a regular file')
  expect((await service.run(alice, ['run', '--image', '/etc/shadow', '--', 'true'])).stderr).toContain(
    'EACCES',
  )
})

test('a directory is no standard input: root would read the image in it, and follow its links', async () => {
  const layout = `${home}/layout`
  const roots = `${service.base}/content`
  const files = makeOciFiles([{ tar: makeTar([{ name: 'private', content: 'of root alone' }]) }])
  mkdirSync(`${roots}/sha256`, { recursive: true, mode: 0o700 })
  mkdirSync(layout)
  for (const [name, content] of files)
    if (name.startsWith('blobs/')) writeFileSync(`${roots}/${name.slice('blobs/'.length)}`, content)
    else writeFileSync(`${layout}/${name}`, content)
  symlinkSync(roots, `${layout}/blobs`)
  const words = ['run', '--rm', '--image', '-', '--', 'true']
  const stdin = openSync(layout, constants.O_RDONLY)
  const { stderr, code } = await service.run(alice, words, { stdin })
  closeSync(stdin)
  expect([...new Bun.Glob('state/layers/*/private').scanSync(service.base)]).toEqual([])
  expect([code, stderr]).toEqual([
    125,
    expect.stringMatching(/\[SERVICE_STREAM\].* as standard input: it is a directory/),
  ])
})

test('what the kernel writes for each reader anew is no file: it tells root where his processes have their memory', async () => {
  const path = `/proc/${process.pid}/stat`
  const stack = readFileSync(path, 'utf8').replace(/.*\) /s, '').split(' ')[25]
  expect(stack).toMatch(/^[1-9]\d{9,}$/)
  const stdin = openSync(path, constants.O_RDONLY)
  const read = await service.run(alice, ['run', '--rm', '-i', '--', 'cat'], { stdin })
  closeSync(stdin)
  const labelled = ['run', '-d', '--name', 'labelled', '--label-file', path, '--', 'sleep', '60']
  const noted = await service.run(alice, labelled)
  const { stdout } = await service.run(alice, ['inspect', 'labelled'])
  await service.run(alice, ['rm', '-f', 'labelled'])
  expect(read.stdout).toBe('')
  expect(stdout).not.toContain(stack)
  expect(read.stderr).toMatch(
    /\[SERVICE_STREAM\].*as standard input: it is on a file system of the kernel’s own/,
  )
  expect(noted.stderr).toMatch(/\[CALLER_FILE\].*it is on a file system of the kernel’s own/)
})

test('a socket of messages is no standard stream: the journal would take what comes for root’s', async () => {
  const script = `
    use Socket;
    # The other end stays open beyond exec.
    $^F = 100;
    my ($kind, $path) = (shift eq 'stream' ? SOCK_STREAM : SOCK_DGRAM, pack_sockaddr_un(shift));
    socket(my $journal, PF_UNIX, $kind, 0) or die $!;
    bind($journal, $path) or die $!;
    $kind == SOCK_DGRAM or listen($journal, 1) or die $!;
    socket(my $sender, PF_UNIX, $kind, 0) or die $!;
    connect($sender, $path) or die $!;
    open(STDOUT, '>&', $sender) or die $!;
    exec @ARGV`
  const into = async (kind: string) => {
    const words = service.words(['run', '--rm', '--', 'echo', 'MESSAGE=forged'])
    const child = Bun.spawn(
      [...service.as(alice), '/usr/bin/perl', '-e', script, kind, `${home}/${kind}`, ...words],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: process.env.PATH ?? '' },
        cwd: '/',
      },
    )
    const [stderr, code] = await Promise.all([child.stderr.text(), child.exited])
    return { stderr, code }
  }
  expect(await into('messages')).toEqual({
    code: 125,
    stderr: expect.stringMatching(/\[SERVICE_STREAM\].*as standard output: it is a socket of messages/),
  })
  // What a systemd unit has as its output.
  expect(await into('stream')).toEqual({ code: 0, stderr: '' })
})

test('a file of variables passes on those of the user, and none of the service', async () => {
  expect(process.env.HOME).toBeString()
  writeFileSync(`${home}/names`, 'HOME\nMINE\nKEY=value\n')
  const words = ['run', '-d', '--name', 'names', '--env-file', 'names', '--', 'sleep', '60']
  expect((await service.run(alice, words, { cwd: home, env: { MINE: 'x' } })).code).toBe(0)
  const file = `${service.base}/state/containers/uid-4242/names/bundle/config.json`
  const { env } = JSON.parse(readFileSync(file, 'utf8')).process
  await service.run(alice, ['rm', '-f', 'names'])
  expect(env.filter((line: string) => /^(HOME|MINE|KEY)=/.test(line))).toEqual(['MINE=x', 'KEY=value'])
})

test('files are written as the user', async () => {
  const words = ['run', '--rm', '--cidfile', 'id', '--name', 'noted', '--', 'true']
  expect((await service.run(alice, words, { cwd: home })).code).toBe(0)
  expect(statSync(`${home}/id`).uid).toBe(alice.uid)
  expect(readFileSync(`${home}/id`, 'utf8')).toBe('noted')
  expect((await service.run(alice, words, { cwd: home })).stderr).toMatch(/\[CALLER_FILE\].*EEXIST/)
  expect((await service.run(alice, words, { cwd: '/etc' })).stderr).toMatch(/\[CALLER_FILE\].*EACCES/)
  expect(existsSync(`${home}/id`)).toBe(true)
})

test('a file with the name of a container is not there without one', async () => {
  const words = ['run', '--cidfile', 'none']
  const failed = await service.run(alice, [...words, '--', 'no-such-command'], { cwd: home })
  expect(failed).toMatchObject({ code: 127, stderr: expect.stringContaining('[COMMAND_NOT_FOUND]') })
  expect(existsSync(`${home}/none`)).toBe(false)
  const refused = await service.run(alice, [...words, 'docker-daemon:app:1'], { cwd: home })
  expect(refused.stderr).toContain('[SERVICE_REFUSED]')
  expect(existsSync(`${home}/none`)).toBe(false)
  // A command that fails by itself has had one.
  const ran = await service.run(alice, [...words, '--', 'sh', '-c', 'exit 125'], { cwd: home })
  expect(ran).toMatchObject({ code: 125, stderr: '' })
  await service.run(alice, ['rm', '-f', readFileSync(`${home}/none`, 'utf8')])
})

test('cp reads and writes the host’s files as the user', async () => {
  await service.run(alice, ['run', '-d', '--name', 'box', '--', 'sleep', '60'])
  mkdirSync(`${service.base}/inside`)
  writeFileSync(`${service.base}/inside/file`, 'content')
  const inside = `box:${service.base}/inside`
  expect(await service.run(alice, ['cp', `${inside}/file`, `${home}/copy`])).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(readFileSync(`${home}/copy`, 'utf8')).toBe('content')
  expect(statSync(`${home}/copy`).uid).toBe(alice.uid)
  expect(await service.run(alice, ['cp', `${home}/copy`, `${inside}/back`])).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(readFileSync(`${service.base}/inside/back`, 'utf8')).toBe('content')
  expect((await service.run(alice, ['cp', `${inside}/file`, '/etc/kata-ts-copy'])).code).not.toBe(0)
  expect(existsSync('/etc/kata-ts-copy')).toBe(false)
  const secret = await service.run(alice, ['cp', `${service.base}/secret`, `${inside}/stolen`])
  expect(secret.code).not.toBe(0)
  expect(existsSync(`${service.base}/inside/stolen`)).toBe(false)
  await service.run(alice, ['rm', '-f', 'box'])
})

/** The mounts of a container of alice's that is made and kept. */
async function mountsOf(...options: string[]): Promise<{ stderr: string; code: number; callers: string[] }> {
  const { stderr, code } = await service.run(
    alice,
    ['run', '-d', '--name', 'mounts', ...options, '--', 'sleep', '60'],
    { cwd: home },
  )
  const file = `${service.base}/state/containers/uid-4242/mounts/bundle/config.json`
  const spec = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { mounts: [] }
  const callers = spec.mounts.flatMap((each: { source?: string; options?: string[] }) =>
    (each.options ?? []).filter((word) => word.includes('caller=')).map((word) => `${each.source} ${word}`),
  )
  await service.run(alice, ['rm', '-f', 'mounts'])
  return { stderr, code, callers }
}

test('a volume is what the user can reach, with his ids and its inode', async () => {
  const { ino, dev } = statSync(home)
  const { callers, code } = await mountsOf('-v', '.:/data', '--mount', 'type=bind,src=.,dst=/more,ro')
  expect(code).toBe(0)
  const option = `${home} io.kata-ts.caller=4242:4242:0:0:${dev}:${ino}`
  expect(callers).toEqual([option, option])
})

test('a volume that he cannot reach is refused, also one in a mount namespace of his own', async () => {
  const hidden = `${service.base}/hidden`
  mkdirSync(`${hidden}/open`, { recursive: true, mode: 0o777 })
  chmodSync(hidden, 0o700)
  symlinkSync(`${hidden}/open`, `${home}/way`)
  for (const path of [`${hidden}/open`, `${home}/way`, '/root/x'])
    expect(await mountsOf('-v', `${path}:/data`)).toMatchObject({
      code: 125,
      callers: [],
      stderr: expect.stringMatching(/\[CALLER_FILE\].*EACCES/),
    })
  makeFifo(`${home}/fifo`)
  expect((await mountsOf('-v', `${home}/fifo:/data`)).stderr).toContain(
    'neither a directory nor a regular file',
  )
  // A location may be opened without any right to the file: the share's map of ids decides what can be read of it.
  expect((await mountsOf('-v', '/etc/shadow:/data')).callers).toEqual([
    expect.stringMatching(/^\/etc\/shadow io\.kata-ts\.caller=4242:4242:0:0:/),
  ])
})

/** Speaks to the service as a member that is no command line of ours. */
function member(script: string): Promise<{ stdout: string; code: number }> {
  const prelude = `
    import { openSync, readdirSync } from 'node:fs'
    import { connectUnix } from '${import.meta.dir}/../../linux/sockets/socket.ts'
    import { sendFds } from '${import.meta.dir}/../../linux/sockets/send-fds.ts'
    import { receiveFrame, sendFrame } from '${import.meta.dir}/frame.ts'
    import { askLimits } from '${import.meta.dir}/messages.ts'
    const [path, O_PATH, limits] = ['${service.socket}', ${O_PATH}, askLimits]
    const encodeFrame = (message) => {
      const body = Buffer.from(JSON.stringify(message))
      return Buffer.concat([Buffer.from(new Uint32Array([body.length]).buffer), body])
    }
    const last = (socket) => { try { return receiveFrame(socket, limits)?.text ?? 'closed' } catch (error) { return error.message } }
  `
  const child = Bun.spawn([...service.as(alice), process.execPath, '-e', prelude + script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH ?? '', HOME: home },
    cwd: '/',
  })
  return Promise.all([child.stdout.text(), child.exited]).then(([stdout, code]) => ({ stdout, code }))
}

test.each([
  ['a location in place of a file', "openSync('SECRET', O_PATH)"],
  ['a descriptor that only writes', "openSync('DROP', 'a')"],
])('%s is not opened by root for the sender', async (_, how) => {
  writeFileSync(`${service.base}/drop`, 'KEY=dropped\n')
  chmodSync(`${service.base}/drop`, 0o622)
  const open = how.replace('SECRET', `${service.base}/secret`).replace('DROP', `${service.base}/drop`)
  const { stdout } = await member(`
    const socket = connectUnix(path)
    sendFrame(socket, { version: 1, argv: ['run', '--rm', '--env-file', 'x', '--', 'env'] }, { fds: [0, 1, 1], timeoutMs: 5000 })
    receiveFrame(socket, limits)
    sendFrame(socket, {}, { fds: [${open}], timeoutMs: 5000 })
    console.log(last(socket))`)
  expect(stdout).toContain('[CALLER_FILE] x cannot be used: it was not opened as it was asked for')
  // The same descriptor as standard input.
  const streams = await member(`
    const socket = connectUnix(path)
    sendFrame(socket, { version: 1, argv: ['ps'] }, { fds: [${open}, 1, 1], timeoutMs: 5000 })
    console.log(last(socket))`)
  expect(streams.stdout).toContain('[SERVICE_STREAM]')
})

test('a volume is a location, and nothing that is open for reading or writing', async () => {
  const answered = async (how: string) => {
    const { stdout } = await member(`
      const socket = connectUnix(path)
      sendFrame(socket, { version: 1, argv: ['run', '--rm', '-v', '/x:/data', '--', 'true'] }, { fds: [0, 1, 1], timeoutMs: 5000 })
      receiveFrame(socket, limits)
      sendFrame(socket, {}, { fds: [${how}], timeoutMs: 5000 })
      console.log(last(socket))`)
    return stdout
  }
  const own = `${home}/own`
  const open = ["openSync('/etc/hostname', 'r')", `openSync('${home}', 'r')`]
  for (const how of [...open, `openSync('${own}', 'w')`, `openSync('${own}', 'r+')`])
    expect(await answered(how)).toContain(
      '[CALLER_FILE] /x cannot be used: it was not opened as it was asked',
    )
  rmSync(own)
  // The control: with a location it goes on.
  expect(await answered(`openSync('${home}', O_PATH)`)).toContain('"ask":"go"')
})

test.each([
  ['no JSON', `socket => sendFds(socket, Buffer.from([2, 0, 0, 0, 65, 66]), [0, 1, 1])`, 'none (JSON'],
  [
    'a giant',
    `socket => sendFds(socket, Buffer.from([255, 255, 255, 127]), [0, 1, 1])`,
    '1048576 are the limit',
  ],
  [
    'too many descriptors',
    `socket => sendFds(socket, encodeFrame({}), [0, 1, 1, 1, 1])`,
    'too many descriptors',
  ],
  [
    'no streams',
    `socket => sendFds(socket, encodeFrame({ version: 1, argv: ['ps'] }), [])`,
    '0 standard streams',
  ],
  [
    'another version',
    `socket => sendFds(socket, encodeFrame({ version: 2, argv: ['ps'] }), [0, 1, 1])`,
    'version',
  ],
  [
    'arguments of other types',
    `socket => sendFds(socket, encodeFrame({ version: 1, argv: [1] }), [0, 1, 1])`,
    'argv',
  ],
  [
    'half a request',
    `socket => sendFds(socket, encodeFrame({ version: 1 }).subarray(0, 9), [0, 1, 1])`,
    'more than 5 s',
  ],
])('a request that is %s is refused, and the next one is served', async (_, send, reason) => {
  const { stdout } = await member(`
    const socket = connectUnix(path)
    ;(${send})(socket)
    console.log(last(socket))`)
  expect(stdout).toContain('"ask":"refused","name":"[SERVICE_REQUEST] ')
  expect(stdout).toContain(reason)
  expect((await service.run(alice, ['ps', '-q'])).code).toBe(0)
})

test('a command line that has gone before its command begins is noted as that', async () => {
  const before = service.log().length
  const since = () => service.log().slice(before)
  await member(`
    import { closeSync } from 'node:fs'
    const socket = connectUnix(path)
    sendFrame(socket, { version: 1, argv: ['run', '-e', 'NAME', '--', 'true'] }, { fds: [0, 1, 1], timeoutMs: 5000 })
    closeSync(socket)`)
  await eventually(() => since().includes('"refused"'))
  expect(since()).toContain('[SERVICE_REQUEST] the service refuses this request: the command line has ended')
})

test('an answer that is no JSON is refused as that', async () => {
  const { stdout } = await member(`
    const socket = connectUnix(path)
    sendFrame(socket, { version: 1, argv: ['run', '-e', 'NAME', '--', 'true'] }, { fds: [0, 1, 1], timeoutMs: 5000 })
    receiveFrame(socket, limits)
    sendFds(socket, Buffer.from([2, 0, 0, 0, 65, 66]), [0])
    console.log(last(socket))`)
  expect(stdout).toContain(
    '"name":"[SERVICE_REQUEST] the service refuses this request: answer: expected JSON',
  )
})

test('a member cannot keep a processor of root’s busy by a template', async () => {
  const template = `${'{{range $}}'.repeat(50)}x${'{{end}}'.repeat(50)}`
  const { stderr, code } = await service.run(alice, ['ps', '--format', template])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/\[TEMPLATE_INVALID\].*it takes more than 1000000 steps/)
})

test('a member who leaves ends what his templates take, however many things he has asked for', async () => {
  await service.run(alice, ['run', '-d', '--name', 'shown', '--', 'true'])
  const status = ['inspect', '--format', '{{.State.Status}}', 'shown']
  await eventually(async () => (await service.run(alice, status)).stdout === 'exited\n')
  const template = `${'{{range $}}'.repeat(50)}x${'{{end}}'.repeat(50)}`
  const words = ['inspect', '--format', template, ...Array(2000).fill('shown')]
  const child = service.spawn(alice, words)
  await child.stderr.getReader().read()
  const workers = () =>
    readFileSync(`/proc/${service.pid}/task/${service.pid}/children`, 'utf8').trim().split(' ')
  const during = workers()
  child.kill('SIGKILL')
  // The one that has waited since then is left.
  await eventually(() => during.filter((pid) => workers().includes(pid)).length <= 1)
  await service.run(alice, ['rm', '-f', 'shown'])
})

test('when memory runs out, a worker is not spared as its service is', async () => {
  const { pid } = service
  const before = readOomScore(pid)
  // Not every root may.
  if (!writeOomScore(pid, -500)) return
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const old = children()
  await service.run(alice, ['ps'])
  await eventually(() => children().some((child) => child !== '' && !old.includes(child)))
  await eventually(() => children().every((child) => readOomScore(Number(child)) === 0))
  expect(readOomScore(pid)).toBe(-500)
  writeOomScore(pid, before ?? 0)
})

test('a command asks for 256 files and variables, and no more', async () => {
  const { stdout } = await member(`
    const socket = connectUnix(path)
    const names = Array.from({ length: 300 }, (_, index) => ['-e', 'NAME' + index])
    sendFrame(socket, { version: 1, argv: ['run', ...names.flat(), '--', 'true'] }, { fds: [0, 1, 1], timeoutMs: 5000 })
    let [asked, text] = [0, last(socket)]
    for (; text.includes('"ask":"env"'); text = last(socket)) {
      asked++
      sendFrame(socket, {}, { timeoutMs: 5000 })
    }
    console.log(asked, text)`)
  expect(stdout).toMatch(/^256 .*\[SERVICE_REQUEST\].*more than 256 files/)
})

test('many connections of one user do not keep another one out', async () => {
  const { stdout } = await member(`
    const sockets = Array.from({ length: 7 }, () => connectUnix(path))
    // None of them answers what it is asked.
    const request = { version: 1, argv: ['run', '--env-file', 'x'] }
    for (const socket of sockets) sendFrame(socket, request, { fds: [0, 1, 1], timeoutMs: 5000 })
    console.log(last(sockets.at(-1)))`)
  expect(stdout).toContain('[SERVICE_BUSY]')
  expect(service.log()).toMatch(/"refused","uid":4242,"pid":\d+,"error":"\[SERVICE_BUSY\]/)
  expect((await service.run(bob, ['ps', '-q'])).code).toBe(0)
  // Her workers end a moment after her connections.
  await eventually(async () => (await service.run(alice, ['ps', '-q'])).code === 0)
})

test('a command line that is killed takes its container along, and leaves nothing', async () => {
  const child = service.spawn(alice, ['run', '--rm', '--name', 'left', '--', 'sleep', '600'])
  await eventually(async () => (await list(alice)).includes('left'))
  child.kill('SIGKILL')
  await eventually(async () => !(await list(alice)).includes('left'))
  expect(readdirSync(`${service.base}/state/containers/uid-4242`)).not.toContain('left')
})

test('a container goes on when the attach to it is killed, or the start of it that is attached', async () => {
  const script = 'while :; do echo word; sleep 0.1; done'
  const make = (word: string[], name: string) =>
    service.run(alice, [...word, '--name', name, '--', 'sh', '-c', script])
  expect((await make(['run', '-d'], 'stays')).code).toBe(0)
  expect((await make(['create'], 'started')).code).toBe(0)
  for (const words of [
    ['attach', 'stays'],
    ['start', '--attach', 'started'],
  ]) {
    const child = service.spawn(alice, words)
    await child.stdout.getReader().read()
    child.kill('SIGKILL')
    await child.exited
  }
  // The signal of a terminal that is closed would have ended it by then.
  await Bun.sleep(1000)
  const running = (await service.run(alice, ['ps', '-q', '--running'])).stdout
  expect(running.trim().split('\n')).toEqual(expect.arrayContaining(['started', 'stays']))
  expect((await service.run(alice, ['rm', '--force', 'stays', 'started'])).code).toBe(0)
})

test('a container is started again when the restart of it is killed while it stops', async () => {
  const script = "trap '' TERM; while :; do sleep 0.1; done"
  await service.run(alice, ['run', '-d', '--name', 'back', '--', 'sh', '-c', script])
  const started = async () =>
    (await service.run(alice, ['inspect', '--format', '{{.State.Running}} {{.State.StartedAt}}', 'back']))
      .stdout
  const before = await started()
  expect(before).toStartWith('true ')
  const child = service.spawn(alice, ['restart', '--time', '2', 'back'])
  await Bun.sleep(1000)
  expect(await started()).toBe(before)
  child.kill('SIGKILL')
  await eventually(async () => {
    const now = await started()
    return now.startsWith('true ') && now !== before
  })
  expect((await service.run(alice, ['rm', '--force', 'back'])).code).toBe(0)
})

test('a signal reaches the command, and its exit code comes back', async () => {
  const child = service.spawn(alice, [
    'run',
    '--rm',
    '--',
    'sh',
    '-c',
    'trap "exit 9" USR1; echo up; while :; do sleep 0.1; done',
  ])
  const reader = child.stdout.getReader()
  await reader.read()
  child.kill('SIGUSR1')
  expect(await child.exited).toBe(9)
})

test('programs learn by --result-file how a command ended, as root’s do', async () => {
  const file = `${home}/result`
  const result = async (...words: string[]) => {
    const { code } = await service.run(alice, ['--result-file', file, ...words])
    const { exitCode, errors } = JSON.parse(readFileSync(file, 'utf8'))
    expect([exitCode, statSync(file).uid]).toEqual([code, alice.uid])
    rmSync(file)
    return { code, errors: errors.map((error: { code: string }) => error.code) }
  }
  expect(await result('run', '-d', '--name', 'sdk', '--', 'sleep', '60')).toEqual({ code: 0, errors: [] })
  expect(await result('exec', '--exec-id', 'one', 'sdk', '--', 'sh', '-c', 'exit 125')).toEqual({
    code: 125,
    errors: [],
  })
  expect(await result('exec', 'sdk', '--', 'no-such-command')).toEqual({
    code: 127,
    errors: ['COMMAND_NOT_FOUND'],
  })
  expect(await result('kill', '--exec-id', 'one', 'sdk')).toMatchObject({
    code: 1,
    errors: [expect.any(String)],
  })
  expect(await result('run', '--privileged', '--', 'true')).toEqual({
    code: 125,
    errors: ['SERVICE_REFUSED'],
  })
  expect(await result('rm', '-f', 'sdk')).toEqual({ code: 0, errors: [] })
})

test('the SDK works for a member, and has the service’s errors', async () => {
  const script = `
    import { Sandbox } from '${import.meta.dir}/../../sdk/sdk.ts'
    const executable = [process.execPath, '${import.meta.dir}/../client/client.host.ts', '${service.base}']
    const failure = (work) => work.then(() => 'none', (error) => error.code)
    const box = await Sandbox.create({ executable })
    const { exitCode, text } = await box.exec(['sh', '-c', 'cat; exit 3'], { stdin: 'in', env: { A: 'b' } })
    const late = await failure(box.exec(['sleep', '60'], { timeoutMs: 1000 }))
    const refused = await failure(Sandbox.create({ executable, flags: ['--privileged'] }))
    const before = (await Sandbox.list({ executable })).length
    await box.kill()
    console.log(JSON.stringify([exitCode, text, late, refused, before, (await Sandbox.list({ executable })).length]))`
  const child = Bun.spawn([...service.as(alice), process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: home,
    env: { PATH: process.env.PATH ?? '', HOME: home, TMPDIR: home },
  })
  const [stdout] = await Promise.all([child.stdout.text(), child.exited])
  expect(JSON.parse(stdout)).toEqual([3, 'in', 'SDK_TIMED_OUT', 'SERVICE_REFUSED', 1, 0])
})

test('a service that is killed leaves containers running, and its successor manages them', async () => {
  await service.run(alice, ['run', '-d', '--name', 'kept', '--', 'sleep', '600'])
  const attached = service.spawn(alice, ['exec', 'kept', 'sh', '-c', 'echo on; sleep 3; echo still'])
  // It is served once something of it has come.
  const { value: first } = await attached.stdout.getReader().read()
  expect(Buffer.from(first ?? []).toString()).toBe('on\n')
  await service.restart('SIGKILL')
  expect(await list(alice)).toEqual(['kept'])
  expect((await service.run(alice, ['exec', 'kept', 'echo', 'hi'])).stdout).toBe('hi\n')
  expect((await service.run(alice, ['rm', '-f', 'kept'])).stdout).toBe('kept\n')
})
