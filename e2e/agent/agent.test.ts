/** The guest agent, called over its own protocol in one virtual machine. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { RuntimeConfig } from '../../src/config/config.ts'
import { warmUp } from '../../src/sandbox/pool/warm-up.ts'
import { hollowText, makeHollowOutput } from '../attack/hollow-output.ts'
import { slow } from '../harness/time.ts'
import { createContainer, exec, finish, outcome, readAll, runContainer } from './container.ts'
import { type Guest, guestShare, makeRootfs, startGuest } from './guest.ts'
import { testImage } from './image.ts'

setDefaultTimeout(slow(120_000))

let guest: Guest

beforeAll(async () => {
  guest = await startGuest({
    ...(await testImage()),
    memoryMiB: 512,
    cpus: 2,
    extraParameters: 'maxcpus=1 lpj=10000000',
  })
  await warmUp(guest, { runtime: { disableGuestSeccomp: false } as RuntimeConfig })
  await guest.agent.createSandbox({
    sandboxId: 'e2e',
    hostname: 'e2e-guest',
    dns: ['nameserver 192.0.2.1'],
    kernelModules: [{ name: 'overlay' }],
    storages: [
      { driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', mountPoint: guestShare },
      {
        driver: 'ephemeral',
        source: 'shm',
        fstype: 'tmpfs',
        options: ['noexec', 'nosuid', 'nodev', 'mode=1777', 'size=67108864'],
        mountPoint: '/run/kata-containers/sandbox/shm',
      },
    ],
  })
})

afterAll(() => guest?.[Symbol.asyncDispose]())

const status = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error) => `${error.code}: ${error.message}`,
  )

test('a container that was run before there was a sandbox has left nothing', async () => {
  const bind = (source: string) => ({
    destination: `/guest${source}`,
    source,
    type: 'bind',
    options: ['rbind', 'ro'],
  })
  const look = {
    cgroups: 'cd /guest/sys/fs/cgroup; find kata -type d',
    states: 'ls /guest/run/crun/state',
    bundles: 'cd /guest/run; stat -c %a kata-containers; ls kata-containers',
    directories: 'cd /guest/run; ls; ls sandbox-ns',
    processes: 'cd /guest/proc; grep -hE "^(init|crun|ld-linux.*)$" [0-9]*/comm',
    mounts: 'cd /guest/proc/1; grep -cE "warm-up|crun|clear" mountinfo; grep -c nsfs mountinfo',
  }
  const script = Object.values(look).map((command) => `{ ${command}; } | tr "\\n" " "; echo`)
  const { stdout, stderr } = await runContainer(guest, 'looks', {
    args: ['sh', '-c', script.join('\n')],
    mounts: ['/sys/fs/cgroup', '/run', '/proc'].map(bind),
    capabilities: ['CAP_SYS_PTRACE'],
  })
  expect(stderr).toBe('')
  const seen = stdout.split('\n').map((line) => line.trim())
  // The container that looks is found in every place.
  expect(Object.fromEntries(Object.keys(look).map((name, at) => [name, seen[at]]))).toEqual({
    cgroups: 'kata kata/looks',
    states: 'looks',
    bundles: '711 looks sandbox shared',
    directories: 'crun kata-containers sandbox-ns ipc uts',
    processes: 'init',
    mounts: '0 2',
  })
  expect(await status(warmUp(guest, { runtime: {} as RuntimeConfig }))).toStartWith('already_exists')
})

test('drivers are loaded ahead, and one that there is not holds up none', async () => {
  const loaded = async (name: string) =>
    (await runContainer(guest, `has-${name}`, { args: ['sh', '-c', `[ -d /sys/module/${name} ]`] }))
      .status === 0
  await guest.agent.loadDrivers({ names: ['no_such_driver', 'tcp_diag'] })
  expect(await loaded('tcp_diag')).toBe(true)
  expect(await loaded('no_such_driver')).toBe(false)
})

test('what was in memory that is free again is gone once it is cleared', async () => {
  const text = crypto.randomUUID()
  await runContainer(guest, 'writes', {
    args: ['sh', '-c', `yes ${text} | head -c 8388608 >/dev/shm/file; rm /dev/shm/file`],
  })
  // The kernel leaves it where it was.
  expect(guest.pagesWith(text)).toBeGreaterThan(1000)
  await guest.agent.clearFreeMemory({})
  // The request and what was said of it are in the agent's memory.
  expect(guest.pagesWith(text)).toBeLessThan(100)
})

describe('processes', () => {
  test('output, error output and exit code', async () => {
    const result = await runContainer(guest, 'hello', {
      args: ['sh', '-c', 'echo out; echo err >&2; exit 42'],
    })
    expect(result).toEqual({ stdout: 'out\n', stderr: 'err\n', status: 42 })
  })

  test('death by a signal is 128 + signal', async () => {
    const { status } = await runContainer(guest, 'abort', {
      args: ['sh', '-c', 'sh -c "kill -ABRT \\$\\$"; exit $?'],
    })
    expect(status).toBe(134)
    await createContainer(guest, 'killed', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'killed' })
    await guest.agent.signalProcess({ containerId: 'killed', signal: 9 })
    expect((await finish(guest, 'killed')).status).toBe(137)
  })

  test('SIGTERM ends an init that does not handle it, and is left to one that does', async () => {
    await createContainer(guest, 'deaf', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'deaf' })
    await until(async () => (await processName('deaf')) === 'sleep')
    await guest.agent.signalProcess({ containerId: 'deaf', execId: 'deaf', signal: 15 })
    expect((await finish(guest, 'deaf')).status).toBe(137)
    await createContainer(guest, 'polite', {
      args: ['sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done'],
    })
    await guest.agent.startContainer({ containerId: 'polite' })
    await guest.agent.readStdout({ containerId: 'polite', len: 100 })
    await guest.agent.signalProcess({ containerId: 'polite', signal: 15 })
    expect((await finish(guest, 'polite')).status).toBe(7)
    await createContainer(guest, 'busy', {
      args: ['sh', '-c', 'trap "" TERM; echo ready; sleep 1; exit 8'],
    })
    await guest.agent.startContainer({ containerId: 'busy' })
    await guest.agent.readStdout({ containerId: 'busy', len: 100 })
    await guest.agent.signalProcess({ containerId: 'busy', signal: 15 })
    expect((await finish(guest, 'busy')).status).toBe(8)
  })

  test('a signal without the id of a process reaches the children of the init, too', async () => {
    const child = 'trap "echo child; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    const init = `sh -c '${child}' & trap "wait; exit 9" TERM; while :; do sleep 0.05; done`
    await createContainer(guest, 'family', { args: ['sh', '-c', init] })
    await guest.agent.startContainer({ containerId: 'family' })
    await guest.agent.readStdout({ containerId: 'family', len: 100 })
    await guest.agent.signalProcess({ containerId: 'family', signal: 15 })
    const { data } = await guest.agent.readStdout({ containerId: 'family', len: 100 })
    expect(Buffer.from(data).toString()).toBe('child\n')
    expect((await finish(guest, 'family')).status).toBe(9)
  })

  test('a process that reads its own output back holds up nobody', async () => {
    // As root it may open the pipe behind its standard output for reading, too.
    const taker = 'while :; do dd if=/proc/self/fd/9 of=/dev/null bs=1048576 count=8 2>/dev/null; done'
    await createContainer(guest, 'taker', {
      args: ['sh', '-c', `exec 9</proc/self/fd/1; (${taker}) & (${taker}) & exec cat /dev/zero`],
    })
    await guest.agent.startContainer({ containerId: 'taker' })
    for (let reads = 0; reads < 300; reads++) {
      const read = guest.agent.readStdout({ containerId: 'taker', len: 1 << 20 }, { timeoutMs: slow(20_000) })
      expect((await read).data.length).toBeGreaterThan(0)
    }
    await guest.agent.signalProcess({ containerId: 'taker', signal: 9 })
    await finish(guest, 'taker')
    expect((await runContainer(guest, 'neighbour', { args: ['echo', 'well'] })).stdout).toBe('well\n')
  })

  test('empty buffers that a process leaves in the pipe of its output hold up nobody', async () => {
    makeHollowOutput(`${makeRootfs(guest.share, 'hollow')}/bin/hollow-output`)
    await createContainer(guest, 'hollow', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'hollow' })
    // As many as there is room for in a pipe, 256 with 16 for each block: all of it is there before the first read.
    const layouts = [
      [1, 3],
      [63, 3],
      [64, 3],
      [100, 2],
      [200, 1],
    ] as const
    for (const [empty, rounds] of layouts) {
      const ids = { containerId: 'hollow', execId: `hollow-${empty}` }
      const args = ['/bin/hollow-output', String(empty), String(rounds)]
      await exec(guest, ids.containerId, ids.execId, args)
      const { data } = await guest.agent.readStderr({ ...ids, len: 100 })
      expect(Buffer.from(data).toString()).toBe('written\n')
      const { stdout, status } = await outcome(guest, ids.containerId, ids.execId)
      expect({ empty, status, isWhole: stdout === hollowText(rounds) }).toEqual({
        empty,
        status: 0,
        isWhole: true,
      })
    }
    expect((await runContainer(guest, 'neighbour', { args: ['echo', 'well'] })).stdout).toBe('well\n')
    await guest.agent.signalProcess({ containerId: 'hollow', signal: 9 })
    await finish(guest, 'hollow')
  })

  test('however many wait for processes, there is room for the calls that end them', async () => {
    await createContainer(guest, 'awaited', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'awaited' })
    const waits = Array.from({ length: 1500 }, () => guest.agent.waitProcess({ containerId: 'awaited' }))
    await guest.agent.signalProcess({ containerId: 'awaited', signal: 9 })
    expect(new Set((await Promise.all(waits)).map(({ status }) => status))).toEqual(new Set([137]))
    await guest.agent.removeContainer({ containerId: 'awaited' })
  })

  test('a container that is removed while it is being made is gone once it was made', async () => {
    const made = createContainer(guest, 'given-up', { args: ['sleep', '1000'] })
    await guest.agent.removeContainer({ containerId: 'given-up' })
    await made
    expect(await status(guest.agent.statsContainer({ containerId: 'given-up' }))).toContain('no container')
  })

  test('everybody who waits gets the code; the answer is the end of the process, its output included', async () => {
    await createContainer(guest, 'waiters', { args: ['sh', '-c', 'echo unread; exit 3'] })
    const waits = [1, 2, 3].map(() => guest.agent.waitProcess({ containerId: 'waiters' }))
    await guest.agent.startContainer({ containerId: 'waiters' })
    expect((await Promise.all(waits)).map(({ status }) => status)).toEqual([3, 3, 3])
    const late = [
      guest.agent.waitProcess({ containerId: 'waiters' }),
      guest.agent.readStdout({ containerId: 'waiters', len: 100 }),
      guest.agent.signalProcess({ containerId: 'waiters', execId: 'waiters', signal: 15 }),
    ]
    const gone = 'not_found: container waiters has no process waiters'
    expect(await Promise.all(late.map(status))).toEqual([gone, gone, gone])
    expect(await status(guest.agent.signalProcess({ containerId: 'waiters', signal: 9 }))).toBe('ok')
    await guest.agent.removeContainer({ containerId: 'waiters' })
  })

  test('a container whose spec has a pid namespace is refused: that is what sandbox_pidns is for', async () => {
    const refused = createContainer(guest, 'pidns', { args: ['true'], namespaces: ['pid'] })
    expect(await status(refused)).toStartWith('invalid_argument: the OCI spec has a pid namespace')
  })

  test('a command that cannot be run is an error of the create call, with a reason for programs', async () => {
    const missing = createContainer(guest, 'missing', { args: ['no-such-command'] })
    await expect(missing).rejects.toMatchObject({ code: 'not_found', reason: 'COMMAND_NOT_FOUND' })
    expect(await status(missing)).toMatch(/executable file .*no-such-command.* not found/)
    const forbidden = createContainer(guest, 'forbidden', { args: ['/etc'] })
    await expect(forbidden).rejects.toMatchObject({
      code: 'permission_denied',
      reason: 'COMMAND_NOT_EXECUTABLE',
    })
    expect(await status(forbidden)).toMatch(/is not a regular file/)
    expect(await status(guest.agent.startContainer({ containerId: 'missing' }))).toStartWith(
      'invalid_argument',
    )
  })

  test('a memory limit in which nothing can be started is told as that; 6 MiB are enough', async () => {
    // One page: of how many crun gets along with before the start, some are counted or not.
    const tiny = createContainer(guest, 'tiny', { args: ['true'], memoryLimit: 4096n })
    await expect(tiny).rejects.toMatchObject({ code: 'invalid_argument', reason: 'MEMORY_LIMIT_TOO_LOW' })
    expect(await status(tiny)).toContain('4096 bytes; crun says: ')
    const small = await runContainer(guest, 'small', { args: ['true'], memoryLimit: 6n << 20n })
    expect(small).toEqual({ stdout: '', stderr: '', status: 0 })
  })

  test('user, directory, environment, host name, read-only root, capabilities', async () => {
    const script = 'id -u; id -g; pwd; echo $GREETING; hostname; grep CapEff /proc/self/status; touch /x 2>&1'
    const { stdout } = await runContainer(guest, 'facts', {
      args: ['sh', '-c', script],
      env: ['GREETING=héllo'],
      cwd: '/tmp',
      user: { uid: 1000, gid: 1001 },
      readonlyRoot: true,
    })
    expect(stdout.split('\n').slice(0, 7)).toEqual([
      '1000',
      '1001',
      '/tmp',
      'héllo',
      'guest-test',
      'CapEff:\t0000000000000000',
      'touch: /x: Read-only file system',
    ])
  })

  test('a umask, zero included, of a container and of an exec, and files of the cgroup', async () => {
    for (const [umask, shown] of [
      [undefined, '0022'],
      [0, '0000'],
      [0o77, '0077'],
    ] as const) {
      const options = { args: ['sh', '-c', 'umask'], ...(umask !== undefined && { umask }) }
      expect(await runContainer(guest, `umask-${shown}`, options)).toMatchObject({ stdout: `${shown}\n` })
    }
    await createContainer(guest, 'masked', { args: ['sleep', '1000'], umask: 0o77 })
    await guest.agent.startContainer({ containerId: 'masked' })
    await exec(guest, 'masked', 'umask', ['sh', '-c', 'umask'], false, 0o27)
    expect((await outcome(guest, 'masked', 'umask')).stdout).toBe('0027\n')
    await guest.agent.removeContainer({ containerId: 'masked' })
    const unified = { 'cpu.idle': '1', 'cpu.max.burst': '1000' }
    const args = ['sh', '-c', 'cd /sys/fs/cgroup; cat cpu.idle cpu.max.burst']
    expect(await runContainer(guest, 'idle', { args, unified })).toMatchObject({ stdout: '1\n1000\n' })
  })

  test('seccomp filter, masked and read-only paths, cgroup namespace, default devices', async () => {
    const script =
      'grep -E "^(Seccomp|SigBlk|SigIgn):" /proc/self/status; cat /proc/kcore | wc -c; echo 1 > /proc/sys/kernel/pid_max; cat /proc/self/cgroup; echo x > /dev/null && mount -t tmpfs x /tmp'
    const none = '0'.repeat(16)
    const { stdout, stderr } = await runContainer(guest, 'confined', {
      args: ['sh', '-c', script],
      seccomp: true,
    })
    expect(stdout).toBe(`SigBlk:\t${none}\nSigIgn:\t${none}\nSeccomp:\t2\n0\n0::/\n`)
    expect(stderr).toContain("can't create /proc/sys/kernel/pid_max: Read-only file system")
    expect(stderr).toMatch(/mount: .*(not permitted|denied|No such device)/i)
  })

  test('volumes from the share, read-write and read-only', async () => {
    mkdirSync(join(guest.share, 'volume'))
    const bind = (destination: string, mode: string) => ({
      destination,
      source: `${guestShare}/volume`,
      type: 'bind',
      options: ['rbind', mode],
    })
    const { stdout, stderr } = await runContainer(guest, 'volumes', {
      args: ['sh', '-c', 'echo kept > /rw/file; cat /ro/file; echo lost > /ro/file'],
      mounts: [bind('/rw', 'rw'), bind('/ro', 'ro')],
    })
    expect(stdout).toBe('kept\n')
    expect(stderr).toContain("can't create /ro/file: Read-only file system")
    expect(readFileSync(join(guest.share, 'volume/file'), 'utf8')).toBe('kept\n')
  })

  test('a share that does not answer keeps the agent from nothing else', async () => {
    guest.stallShare(true)
    try {
      const made = createContainer(guest, 'stalled', { args: ['true'] })
      made.catch(() => {})
      await Bun.sleep(slow(500))
      const answered = await Promise.race([guest.health.check({}), Bun.sleep(slow(5000))])
      expect(answered).toBeDefined()
      guest.stallShare(false)
      await made
    } finally {
      guest.stallShare(false)
    }
    await guest.agent.removeContainer({ containerId: 'stalled' })
  })

  test('containers of one pod share IPC and UTS, and processes when asked to', async () => {
    await createContainer(guest, 'first', { args: ['sleep', '777'] })
    await guest.agent.startContainer({ containerId: 'first' })
    const namespaces = async (id: string, options: object = {}) => {
      const script = 'for n in ipc uts; do readlink /proc/self/ns/$n; done; ps'
      const { stdout } = await runContainer(guest, id, { args: ['sh', '-c', script], ...options })
      return stdout.split('\n')
    }
    const [one, two] = [await namespaces('second'), await namespaces('third', { sandboxPidns: true })]
    expect(two.slice(0, 2)).toEqual(one.slice(0, 2))
    expect(one.join()).not.toContain('sleep 777')
    expect(two.join()).toContain('sleep 777')
    await guest.agent.removeContainer({ containerId: 'first' })
  })

  test('crun cannot be overwritten by a container that gets hold of it (CVE-2019-5736)', async () => {
    const script = [
      'cp /bin/busybox /own; exec 4</own; echo control >/proc/self/fd/4 && echo control',
      'while [ ! -e /proc/self/fd/3 ]; do for p in /proc/[0-9]*; do exe=$(readlink $p/exe)',
      'case "$exe" in /memfd:*) exec 3<$p/exe; echo "$exe"; break;; esac; done; sleep 0.1; done',
      'read go; echo x >/proc/self/fd/3',
    ].join('\n')
    const args = ['sh', '-c', script]
    await createContainer(guest, 'thief', { args, capabilities: ['CAP_SYS_PTRACE'] })
    await guest.agent.startContainer({ containerId: 'thief' })
    // Until it is started its init is crun, which the thief opens, and writes to once nobody runs it.
    await createContainer(guest, 'waiting', { args: ['true'], sandboxPidns: true })
    let seen = ''
    while (!seen.includes('memfd'))
      seen += Buffer.from((await guest.agent.readStdout({ containerId: 'thief', len: 100 })).data)
    expect(seen).toBe('control\n/memfd:sealed (deleted)\n')
    await guest.agent.startContainer({ containerId: 'waiting' })
    await finish(guest, 'waiting')
    await guest.agent.writeStdin({ containerId: 'thief', data: Buffer.from('go\n') })
    const { stderr, status } = await finish(guest, 'thief')
    expect({ stderr, status }).toEqual({
      stderr: expect.stringContaining('/proc/self/fd/3: Operation not permitted'),
      status: 1,
    })
  })

  test('output stays readable for a while after the process, but not for ever', async () => {
    const { stdout, status } = await runContainer(guest, 'drain', {
      args: ['sh', '-c', 'echo last words; exit 5'],
    })
    expect({ stdout, status }).toEqual({ stdout: 'last words\n', status: 5 })
    await createContainer(guest, 'holder', { args: ['sh', '-c', 'sleep 1000'] })
    await guest.agent.startContainer({ containerId: 'holder' })
    // The background process keeps the pipe open after its shell has ended.
    await exec(guest, 'holder', 'leaver', ['sh', '-c', 'echo gone; sleep 500 & exit 0'])
    expect(await outcome(guest, 'holder', 'leaver')).toEqual({ stdout: 'gone\n', stderr: '', status: 0 })
    // One that writes without end does not keep its parent's end back either.
    await exec(guest, 'holder', 'chatter', [
      'sh',
      '-c',
      'echo first; (while :; do echo noise; done) & exit 4',
    ])
    const chatter = await outcome(guest, 'holder', 'chatter')
    expect(chatter.status).toBe(4)
    expect(chatter.stdout).toStartWith('first\n')
    await guest.agent.signalProcess({ containerId: 'holder', signal: 9 })
    await finish(guest, 'holder')
  })
})

describe('streams', () => {
  test('20 MB through standard input to standard output, intact', async () => {
    const input = Buffer.alloc(20 * 1024 * 1024)
    crypto.getRandomValues(input.subarray(0, 65_536))
    for (let at = 65_536; at < input.length; at += 65_536) input.set(input.subarray(0, 65_536), at)
    input.writeUInt32LE(0xdeadbeef, input.length - 4)
    await createContainer(guest, 'cat', { args: ['cat'] })
    await guest.agent.startContainer({ containerId: 'cat' })
    const writing = (async () => {
      for (let at = 0; at < input.length; at += 65_536)
        await guest.agent.writeStdin({ containerId: 'cat', data: input.subarray(at, at + 65_536) })
      await guest.agent.closeStdin({ containerId: 'cat' })
    })()
    const output = await readAll(guest.agent.readStdout, 'cat')
    await writing
    expect(output.equals(input)).toBe(true)
    expect((await finish(guest, 'cat')).status).toBe(0)
  })

  test('writes that do not wait for each other keep their order, and the end comes behind them', async () => {
    await createContainer(guest, 'ahead', { args: ['cat'] })
    await guest.agent.startContainer({ containerId: 'ahead' })
    // More than a pipe holds, in pieces of every size.
    const pieces = Array.from({ length: 24 }, (_, at) => Buffer.alloc(1 + at * 20_001, 65 + at))
    const write = (data: Uint8Array) => guest.agent.writeStdin({ containerId: 'ahead', data })
    const written = Promise.all(pieces.map(write))
    const closed = guest.agent.closeStdin({ containerId: 'ahead' })
    const output = await readAll(guest.agent.readStdout, 'ahead')
    expect((await written).map(({ len }) => len)).toEqual(pieces.map(({ length }) => length))
    await closed
    expect(output.equals(Buffer.concat(pieces))).toBe(true)
    expect((await finish(guest, 'ahead')).status).toBe(0)
  })

  test('writing to a process that has closed its input is an error, not a hang', async () => {
    await createContainer(guest, 'closed', { args: ['sh', '-c', 'exec <&-; echo ready; sleep 1000'] })
    await guest.agent.startContainer({ containerId: 'closed' })
    await guest.agent.readStdout({ containerId: 'closed', len: 100 })
    const write = () => guest.agent.writeStdin({ containerId: 'closed', data: Buffer.alloc(10) })
    expect(await status(write())).toStartWith('failed_precondition')
    await guest.agent.signalProcess({ containerId: 'closed', signal: 9 })
    await finish(guest, 'closed')
  })

  test('a terminal, and its size', async () => {
    await createContainer(guest, 'tty', { args: ['sh'], terminal: true })
    await guest.agent.startContainer({ containerId: 'tty' })
    await guest.agent.ttyWinResize({ containerId: 'tty', row: 40, column: 111 })
    await guest.agent.writeStdin({ containerId: 'tty', data: Buffer.from('stty size; exit 9\n') })
    const { stdout, stderr, status: code } = await finish(guest, 'tty')
    expect(stdout).toContain('40 111')
    expect({ stderr, code }).toEqual({ stderr: '', code: 9 })
    await createContainer(guest, 'leaves', {
      // For a second no process has it open, as with systemd, which opens it for each message.
      args: [
        'sh',
        '-c',
        'tty=$(readlink /proc/self/fd/0); echo out; exec </dev/null >/dev/null 2>&1; sleep 1; echo back >$tty; exec sleep 1000',
      ],
      terminal: true,
    })
    await guest.agent.startContainer({ containerId: 'leaves' })
    let said = ''
    while (!said.includes('back')) {
      const { data } = await guest.agent.readStdout({ containerId: 'leaves', len: 100 })
      expect(data.length).toBeGreaterThan(0)
      said += Buffer.from(data)
    }
    await guest.agent.ttyWinResize({ containerId: 'leaves', row: 40, column: 111 })
    await guest.agent.signalProcess({ containerId: 'leaves', signal: 9 })
    expect((await finish(guest, 'leaves')).status).toBe(137)
    await createContainer(guest, 'notty', { args: ['sleep', '1000'] })
    const resize = guest.agent.ttyWinResize({ containerId: 'notty', row: 1, column: 1 })
    expect(await status(resize)).toBe('unavailable: no tty')
    await guest.agent.removeContainer({ containerId: 'notty' })
  })

  test('a read that waits does not lose what comes after its caller has gone', async () => {
    await createContainer(guest, 'late', { args: ['cat'] })
    await guest.agent.startContainer({ containerId: 'late' })
    const gaveUp = guest.agent.readStdout({ containerId: 'late', len: 100 }, { timeoutMs: slow(50) })
    expect(await status(gaveUp)).toStartWith('deadline_exceeded')
    await Bun.sleep(50)
    await guest.agent.writeStdin({ containerId: 'late', data: Buffer.from('kept') })
    await guest.agent.closeStdin({ containerId: 'late' })
    expect((await finish(guest, 'late')).stdout).toBe('kept')
  })
})

describe('exec', () => {
  test('its own exit code, output and terminal, while the main process runs', async () => {
    await createContainer(guest, 'main', { args: ['sleep', '1000'] })
    expect(await status(exec(guest, 'main', 'early', ['true']))).toStartWith('failed_precondition')
    await guest.agent.startContainer({ containerId: 'main' })
    await exec(guest, 'main', 'one', ['sh', '-c', 'echo one; echo bad >&2; exit 11'])
    await exec(guest, 'main', 'two', ['cat'])
    expect(await outcome(guest, 'main', 'one')).toEqual({ stdout: 'one\n', stderr: 'bad\n', status: 11 })
    await guest.agent.writeStdin({ containerId: 'main', execId: 'two', data: Buffer.from('echoed') })
    await guest.agent.closeStdin({ containerId: 'main', execId: 'two' })
    expect(await outcome(guest, 'main', 'two')).toEqual({ stdout: 'echoed', stderr: '', status: 0 })

    await exec(guest, 'main', 'three', ['sh', '-c', 'stty size; sleep 1000'], true)
    await guest.agent.signalProcess({ containerId: 'main', execId: 'three', signal: 9 })
    expect((await outcome(guest, 'main', 'three')).status).toBe(137)

    await expect(exec(guest, 'main', 'four', ['no-such-command'])).rejects.toMatchObject({
      code: 'not_found',
      reason: 'COMMAND_NOT_FOUND',
    })
    await expect(exec(guest, 'main', 'five', ['/etc'])).rejects.toMatchObject({
      code: 'permission_denied',
      reason: 'COMMAND_NOT_EXECUTABLE',
    })
    expect(await status(guest.agent.waitProcess({ containerId: 'main', execId: 'nobody' }))).toStartWith(
      'not_found',
    )
    await guest.agent.signalProcess({ containerId: 'main', signal: 9 })
    expect((await finish(guest, 'main')).status).toBe(137)
  })

  test('the longest id leaves room for the terminals of execs', async () => {
    const id = 'l'.repeat(76)
    await createContainer(guest, id, { args: ['sleep', '1000'], terminal: true })
    await guest.agent.startContainer({ containerId: id })
    await exec(guest, id, 'a', ['sh', '-c', 'test -t 0 && echo terminal'], true)
    expect((await outcome(guest, id, 'a')).stdout).toBe('terminal\r\n')
    await guest.agent.removeContainer({ containerId: id })
  })

  test('an ended process waits for its reader, and goes with the answer to its waiter; then its id is free', async () => {
    await createContainer(guest, 'ids', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'ids' })
    await exec(guest, 'ids', 'a', ['echo', 'first'])
    await exec(guest, 'ids', 'b', ['echo', 'other'])
    const wait = (execId: string) => guest.agent.waitProcess({ containerId: 'ids', execId })
    expect((await readAll(guest.agent.readStdout, 'ids', 'a')).toString()).toBe('first\n')
    expect((await readAll(guest.agent.readStderr, 'ids', 'a')).length).toBe(0)
    expect((await wait('b')).status).toBe(0)
    expect(await status(exec(guest, 'ids', 'a', ['true']))).toStartWith('already_exists')
    expect((await wait('a')).status).toBe(0)
    expect(await status(guest.agent.readStdout({ containerId: 'ids', execId: 'b', len: 9 }))).toStartWith(
      'not_found',
    )
    await exec(guest, 'ids', 'b', ['echo', 'again'])
    expect((await outcome(guest, 'ids', 'b')).stdout).toBe('again\n')
    await guest.agent.removeContainer({ containerId: 'ids' })
  })

  test('SIGKILL without an exec id reaches every process', async () => {
    await createContainer(guest, 'all', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'all' })
    await exec(guest, 'all', 'other', ['sleep', '1000'])
    await guest.agent.signalProcess({ containerId: 'all', signal: 9 })
    expect((await guest.agent.waitProcess({ containerId: 'all', execId: 'other' })).status).toBe(137)
    expect((await finish(guest, 'all')).status).toBe(137)
  })
})

describe('limits', () => {
  test('memory: the kernel kills, and the host is told', async () => {
    const event = guest.agent.getOOMEvent({}, { timeoutMs: slow(60_000) })
    const { status } = await runContainer(guest, 'hungry', {
      args: ['sh', '-c', 'exec tail /dev/zero'],
      memoryLimit: 33_554_432n,
    })
    expect(status).toBe(137)
    expect((await event).containerId).toBe('hungry')
  })

  test('processes: fork is refused', async () => {
    const { stderr } = await runContainer(guest, 'forker', {
      args: ['sh', '-c', 'for n in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait'],
      pidsLimit: 5n,
    })
    expect(stderr).toContain("can't fork: Resource temporarily unavailable")
  })

  test('a container without a limit of processes leaves threads to the agent', async () => {
    const few = { 'kernel.threads-max': '340' }
    await createContainer(guest, 'calm', { args: ['sleep', '1000'], sysctl: few })
    await guest.agent.startContainer({ containerId: 'calm' })
    // The shell that cannot fork ends, and what it has started stays.
    const bomb = '(while :; do sleep 1000 & done) 2>/dev/null; echo full; sleep 1000'
    await createContainer(guest, 'bomb', { args: ['sh', '-c', bomb] })
    await guest.agent.startContainer({ containerId: 'bomb' })
    await guest.agent.readStdout({ containerId: 'bomb', len: 100 }, { timeoutMs: slow(60_000) })
    await exec(guest, 'calm', 'probe', ['cat', '/proc/self/comm'])
    expect(await outcome(guest, 'calm', 'probe')).toEqual({ stdout: 'cat\n', stderr: '', status: 0 })
    const resources = { pids: { limit: 10n }, unified: {}, devices: [], hugepageLimits: [] }
    expect(await status(guest.agent.updateContainer({ containerId: 'bomb', resources }))).toBe('ok')
    for (const containerId of ['bomb', 'calm']) await guest.agent.removeContainer({ containerId })
    await runContainer(guest, 'many-threads', { args: ['true'], sysctl: { 'kernel.threads-max': '4000' } })
  })

  test('huge pages, and the cgroups that a container can make below its own', async () => {
    const files = ['hugetlb.2MB.max', 'cgroup.max.depth', 'cgroup.max.descendants']
    const args = ['sh', '-c', `cd /sys/fs/cgroup; cat ${files.join(' ')}`]
    const hugepageLimits = [
      { pagesize: '2MB', limit: 4n << 20n },
      { pagesize: '3MB', limit: 0n },
    ]
    const limited = await runContainer(guest, 'limited', { args, hugepageLimits })
    expect(limited).toEqual({ stdout: '4194304\n32\n4096\n', stderr: '', status: 0 })
    const unified = { 'cgroup.max.depth': '7' }
    expect((await runContainer(guest, 'own-limit', { args, unified })).stdout).toBe('max\n7\n4096\n')
  })

  test('a container makes no more cgroups than its removal can go through', async () => {
    const script = `mount -t cgroup2 none /mnt; cd /mnt; mkdir $(seq 5000); ls -d [0-9]* | wc -l; rmdir $(seq 100)
      for depth in $(seq 50); do mkdir a && cd a || break; done; pwd | tr -dc a | wc -c`
    const { stdout } = await runContainer(guest, 'many-cgroups', {
      args: ['sh', '-c', script],
      capabilities: ['CAP_SYS_ADMIN'],
      mounts: [{ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: [] }],
    })
    expect(stdout).toBe('4096\n32\n')
  })

  test('statistics, pause, resume and update', async () => {
    await createContainer(guest, 'stats', {
      args: ['sh', '-c', 'i=0; while :; do i=$((i+1)); done'],
      memoryLimit: 67_108_864n,
      pidsLimit: 20n,
    })
    await guest.agent.startContainer({ containerId: 'stats' })
    const cpu = async () => {
      const { cgroupStats } = await guest.agent.statsContainer({ containerId: 'stats' })
      return cgroupStats!.cpuStats!.cpuUsage!.totalUsage
    }
    const start = await cpu()
    await until(async () => (await cpu()) > start)
    await guest.agent.pauseContainer({ containerId: 'stats' })
    const paused = await cpu()
    await Bun.sleep(200)
    expect(await cpu()).toBe(paused)
    await guest.agent.resumeContainer({ containerId: 'stats' })
    await until(async () => (await cpu()) > paused)

    await guest.agent.updateContainer({
      containerId: 'stats',
      resources: { memory: { limit: 50_331_648n }, cpu: { quota: 20_000n, period: 100_000n } },
    })
    await until(async () => {
      const { cgroupStats } = await guest.agent.statsContainer({ containerId: 'stats' })
      return cgroupStats!.cpuStats!.throttlingData!.throttledPeriods > 0n
    })
    const { cgroupStats } = await guest.agent.statsContainer({ containerId: 'stats' })
    expect(cgroupStats!.memoryStats!.usage!.limit).toBe(50_331_648n)
    expect(cgroupStats!.memoryStats!.usage!.usage).toBeGreaterThan(0n)
    expect(cgroupStats!.pidsStats).toEqual({ current: 1n, limit: 20n })

    await guest.agent.pauseContainer({ containerId: 'stats' })
    await guest.agent.signalProcess({ containerId: 'stats', signal: 9 })
    expect((await finish(guest, 'stats')).status).toBe(137)
  })
})

describe('guest', () => {
  test('copies files, directories and links, and stays below its directory', async () => {
    const facts = { fileMode: 0o100640, dirMode: 0o750, uid: 7, gid: 8 }
    const copy = (path: string, more: object) =>
      guest.agent.copyFile({ ...facts, path: `${guestShare}/${path}`, ...more })
    const data = Buffer.from('0123456789')
    await copy('new/deep/file.txt', { fileSize: 10n, offset: 0n, data: data.subarray(0, 4) })
    await copy('new/deep/file.txt', { fileSize: 10n, offset: 4n, data: data.subarray(4) })
    expect(readFileSync(join(guest.share, 'new/deep/file.txt'), 'utf8')).toBe('0123456789')
    await copy('new/link', { fileMode: 0o120777, data: Buffer.from('deep/file.txt') })
    expect(readFileSync(join(guest.share, 'new/link'), 'utf8')).toBe('0123456789')
    await copy('new/dir', { fileMode: 0o040700 })
    // What is there is replaced: a file by a file, a link by a link, a directory by a link.
    await copy('new/deep/file.txt', { fileSize: 3n, data: Buffer.from('new') })
    await copy('new/link', { fileMode: 0o120777, data: Buffer.from('dir') })
    expect(readFileSync(join(guest.share, 'new/deep/file.txt'), 'utf8')).toBe('new')
    expect(readlinkSync(join(guest.share, 'new/link'))).toBe('dir')
    await copy('new/dir', { fileMode: 0o120777, data: Buffer.from('deep') })
    expect(readlinkSync(join(guest.share, 'new/dir'))).toBe('deep')
    expect(readdirSync(join(guest.share, 'new')).sort()).toEqual(['deep', 'dir', 'link'])

    symlinkSync('/etc', join(guest.share, 'evil'))
    const through = await status(copy('evil/passwd', { fileSize: 1n, data: data.subarray(0, 1) }))
    expect(through).toContain('internal')
    for (const path of ['../../../etc/x', 'a/../../b', ''])
      expect(await status(copy(path, { fileSize: 1n, data: data.subarray(0, 1) }))).toStartWith(
        'invalid_argument',
      )
  })

  test('volumes in memory: size, a new size, and how full they are', async () => {
    const mountPoint = '/run/kata-containers/sandbox/shm'
    const resize = (size: number, more: object = {}) =>
      guest.agent.updateEphemeralMounts({
        storages: [
          {
            driver: 'ephemeral',
            source: 'shm',
            fstype: 'tmpfs',
            options: [`size=${size}`],
            mountPoint,
            ...more,
          },
        ],
      })
    const bytes = async () => (await guest.agent.getVolumeStats({ volumeGuestPath: mountPoint })).usage[0]!
    expect(await bytes()).toMatchObject({ total: 67_108_864n, unit: 1 })
    await runContainer(guest, 'fill', {
      args: ['dd', 'if=/dev/zero', 'of=/dev/shm/x', 'bs=1024', 'count=1024'],
    })
    await resize(4 * 1024 * 1024)
    expect(await bytes()).toMatchObject({ total: 4_194_304n, used: 1_048_576n, available: 3_145_728n })
    expect(await status(resize(4096))).toContain('internal')
    expect(await status(resize(4096, { mountPoint: '/tmp' }))).toStartWith('invalid_argument')
    const nowhere = guest.agent.getVolumeStats({ volumeGuestPath: '/nowhere' })
    expect(await status(nowhere)).toStartWith('invalid_argument: /nowhere cannot be looked at: ENOENT')
    const { usage, volumeCondition } = await guest.agent.getVolumeStats({ volumeGuestPath: '/' })
    expect(usage.map(({ unit }) => unit)).toEqual([1, 2])
    expect(volumeCondition?.abnormal).toBe(false)
  })

  test('a storage with an fs_group belongs to the group, its links stay as they are', async () => {
    const volume = join(guest.share, 'grouped')
    mkdirSync(join(volume, 'inner'), { recursive: true })
    writeFileSync(join(volume, 'inner/file'), '', { mode: 0o600 })
    symlinkSync('/etc/passwd', join(volume, 'link'))
    const storage = (groupChangePolicy: 0 | 1) => ({
      driver: 'local',
      options: ['mode=0755'],
      mountPoint: `${guestShare}/grouped`,
      fsGroup: { groupId: 4321, groupChangePolicy },
    })
    const facts = (name: string) => {
      const { gid, mode } = statSync(join(volume, name))
      return `${gid} ${(mode & 0o7777).toString(8)}`
    }
    await createContainer(guest, 'group', { args: ['true'], storages: [storage(0)] })
    expect(['.', 'inner', 'inner/file'].map(facts)).toEqual(['4321 2775', '4321 2775', '4321 660'])
    await guest.agent.removeContainer({ containerId: 'group' })
  })

  test('brings a second processor online, and loaded the module it was asked for', async () => {
    const script = 'grep -c ^processor /proc/cpuinfo; grep -c overlay /proc/filesystems'
    const before = await runContainer(guest, 'one-cpu', { args: ['sh', '-c', script] })
    await guest.agent.onlineCPUMem({ nbCpus: 1, wait: true })
    const after = await runContainer(guest, 'two-cpus', { args: ['sh', '-c', script] })
    expect([before.stdout, after.stdout]).toEqual(['1\n1\n', '2\n1\n'])
  })

  test('clock, random numbers, metrics', async () => {
    await guest.agent.setGuestDateTime({ sec: 2_000_000_000n, usec: 0n })
    const { stdout } = await runContainer(guest, 'clock', { args: ['date', '-u', '+%Y'] })
    expect(stdout).toBe('2033\n')
    await guest.agent.reseedRandomDev({ data: crypto.getRandomValues(new Uint8Array(64)) })
    const { metrics } = await guest.agent.getMetrics({})
    expect(metrics).toContain('kata_guest_load{item="load1"}')
    expect(metrics).toMatch(/kata_agent_total_rss \d{6,}/)
    for (const family of [
      'cpu_time{cpu="0",item="user"}',
      'vm_stat{item="pgfault"}',
      'netdev_stat{interface="lo"',
    ])
      expect(metrics).toContain(`kata_guest_${family}`)
    for (const family of ['io_stat{item="rchar"}', 'proc_status{item="vmrss"}', 'scrape_count 1'])
      expect(metrics).toContain(`kata_agent_${family}`)
    const details = await guest.agent.getGuestDetails({ memBlockSize: true })
    expect(details.memBlockSizeBytes).toBeGreaterThan(0n)
    expect(details.agentDetails).toMatchObject({ initDaemon: true, supportsSeccomp: true })
  })

  test('a host device that the guest drives: the container waits for it, and gets nothing of its own', async () => {
    const passed = (...options: string[]) => ({
      devices: [{ type: 'vfio-pci-gk', containerPath: '/dev/vfio/12', options }],
    })
    // Devices of the machine stand for it: the bridge, which nobody drives, and the port of the agent.
    const { stdout } = await runContainer(guest, 'passed', {
      args: ['ls', '/dev'],
      ...passed('0000:1a:00.0=1f', '0000:1a:00.1=01'),
    })
    expect(stdout).not.toContain('vfio')
    const { metrics } = await guest.agent.getMetrics({})
    const told = metrics.split('\n').filter((line) => line.startsWith('kata_agent_passed_device{'))
    expect(told).toEqual([
      'kata_agent_passed_device{device="0000:1a:00.0",driver="",lacks="driver"} 0',
      'kata_agent_passed_device{device="0000:1a:00.1",driver="virtio-pci",lacks=""} 1',
    ])
    const refused = async (id: string, option: string) =>
      status(createContainer(guest, id, { args: ['true'], ...passed(option) }))
    expect(await refused('absent', '0000:1a:00.0=1f/02')).toMatch(
      /^deadline_exceeded: no device appeared for 0000:1a:00.0=1f\/02/,
    )
    for (const option of ['0000:1a:00.0', '0000:1a:00.0=1f/../00', '=1f'])
      expect(await refused('unformed', option)).toStartWith(`invalid_argument: ${option} is not`)
  })

  test('what is unknown or unsupported is refused with its status', async () => {
    expect(await status(guest.agent.startContainer({ containerId: 'nobody' }))).toStartWith(
      'invalid_argument',
    )
    expect(await status(guest.agent.startContainer({ containerId: '../x' }))).toStartWith('invalid_argument')
    for (const call of [
      guest.agent.setPolicy({ policy: '' }),
      guest.agent.addSwap({ pciPath: [2] }),
      guest.agent.addSwapPath({ path: '/dev/vda' }),
      guest.agent.getIPTables({}),
      guest.agent.setIPTables({ data: new Uint8Array(1) }),
    ])
      expect(await status(call)).toMatch(/^unimplemented: .{30,}/)
    expect(await status(guest.agent.resizeVolume({ volumeGuestPath: '/', size: 512n }))).toMatch(
      /^invalid_argument: .*no disk is mounted/,
    )
    for (const logType of ['termination_log', 'journal'])
      expect(await status(guest.agent.getDiagnosticData({ logType, containerId: 'nobody' }))).toStartWith(
        'invalid_argument',
      )
    expect(await status(guest.agent.removeStaleVirtiofsShareMounts({}))).toBe('ok')
    expect(await status(guest.agent.createSandbox({}))).toStartWith('already_exists')
  })

  test('garbage on the port ends a connection, not the agent; a new one is served like the first', async () => {
    await guest.garble(crypto.getRandomValues(new Uint8Array(50_000)))
    await guest.reconnect()
    await guest.health.check({}, { timeoutMs: slow(10_000) })
  })

  test('ends the machine when the sandbox ends', async () => {
    await createContainer(guest, 'last', { args: ['sleep', '1000'] })
    await guest.agent.startContainer({ containerId: 'last' })
    await guest.agent.destroySandbox({}, { timeoutMs: slow(20_000) })
    expect(await Promise.race([guest.ended, Bun.sleep(slow(20_000))])).toBe(0)
    expect(guest.console()).not.toContain('anic')
  })
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + slow(30_000)
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 30 s')
    await Bun.sleep(20)
  }
}

/** Name of a container's init, from inside. */
async function processName(id: string): Promise<string> {
  const execId = `name-${Math.random().toString(36).slice(2)}`
  await exec(guest, id, execId, ['cat', '/proc/1/comm'])
  return (await outcome(guest, id, execId)).stdout.trim()
}
