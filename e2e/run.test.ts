// test:vmm: every VMM
/** The main job, seen from the command line: real VMs, real containers, the compiled executable. */
import { afterAll, beforeAll, describe, expect } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { busyboxPath } from '../setup/paths.ts'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { podTest } from './harness/cannot.ts'
import { independentTest as test } from './harness/independent-test.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration } from './harness/vmm.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

const sha256 = (bytes: Uint8Array | string) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex')

describe('exit codes pass through', () => {
  test.each([
    [0, ['true']],
    [1, ['false']],
    [42, ['sh', '-c', 'exit 42']],
    // A shell reports a command that a signal ended as 128 plus the signal.
    [137, ['sh', '-c', "sh -c 'kill -KILL $$'; exit $?"]],
    [143, ['sh', '-c', "sh -c 'kill -TERM $$'; exit $?"]],
    [127, ['no-such-command']],
    [126, ['/etc/passwd']],
    [126, ['/etc']],
  ])('%d', async (code, command) => {
    const outcome = await kata.run(command)
    expect({ code: outcome.code, stderr: code < 126 ? outcome.stderr : '' }).toEqual({ code, stderr: '' })
  })
})

describe('signals', () => {
  test('KILL from outside ends the container with 137', async () => {
    const client = kata.call(['run', '--rm', '--name', 'victim', '--', 'sleep', '300'])
    await kata.runs('victim', client)
    expect((await kata.call(['kill', '-s', 'KILL', 'victim'])).code).toBe(0)
    expect((await client).code).toBe(137)
  })

  test('TERM to the client reaches the command, whose handler decides', async () => {
    const script = 'trap "exit 143" TERM; echo ready; while :; do sleep 1; done'
    const client = kata.spawn(['run', '--rm', '--name', 'polite', '--', 'sh', '-c', script])
    const reader = client.stdout.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('ready\n')
    client.kill('SIGTERM')
    expect(await client.exited).toBe(143)
  })

  test('TERM to a command without a handler ends it all the same', async () => {
    const client = kata.call(['run', '--rm', '--name', 'deaf', '--', 'sleep', '300'])
    await kata.runs('deaf', client)
    await kata.call(['kill', '-s', 'TERM', 'deaf'])
    expect((await client).code).toBe(137)
  })
})

describe('streams', () => {
  test('stdout and stderr stay apart', async () => {
    const { stdout, stderr, code } = await kata.run(['sh', '-c', 'echo out; echo err >&2'])
    expect({ stdout, stderr, code }).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 0 })
  })

  test('20 MB through stdout arrive intact', async () => {
    const child = kata.spawn(['run', '--rm', '--', 'sh', '-c', 'yes 0123456789abcde | head -c 20971520'])
    const bytes = new Uint8Array(await new Response(child.stdout).arrayBuffer())
    expect(await child.exited).toBe(0)
    expect(bytes.length).toBe(20 * 1024 * 1024)
    expect(sha256(bytes)).toBe(sha256('0123456789abcde\n'.repeat(20 * 64 * 1024)))
  })

  test('20 MB from stdin to stdout arrive intact', async () => {
    const block = crypto.getRandomValues(new Uint8Array(65536))
    const bytes = new Uint8Array(Buffer.concat(Array.from({ length: 320 }, () => block)))
    const child = kata.spawn(['run', '--rm', '-i', '--', 'cat'], { stdin: bytes })
    const back = new Uint8Array(await new Response(child.stdout).arrayBuffer())
    expect(await child.exited).toBe(0)
    expect(back.length).toBe(bytes.length)
    expect(sha256(back)).toBe(sha256(bytes))
  })

  test('without -i the command reads an empty stdin', async () => {
    const { stdout, code } = await kata.run(['cat'], { stdin: 'not for you' })
    expect({ stdout, code }).toEqual({ stdout: '', code: 0 })
  })
})

describe('what the container is', () => {
  test('it runs another kernel than the host, in its own namespaces, as pid 1', async () => {
    const { stdout } = await kata.run(['sh', '-c', 'uname -r; echo $$; hostname'])
    const [kernel, pid] = stdout.split('\n')
    expect(kernel).not.toBe(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
    expect(pid).toBe('1')
  })

  test('user, groups, working directory, environment and host name are as asked', async () => {
    const flags = ['-u', '1000:1001', '-w', '/tmp', '-e', 'COLOUR=dark blue', '--hostname', 'house']
    const { stdout, stderr } = await kata.run(['sh', '-c', 'id -u; id -g; pwd; echo "$COLOUR"; hostname'], {
      flags,
    })
    expect(stderr).toBe('')
    expect(stdout).toBe('1000\n1001\n/tmp\ndark blue\nhouse\n')
  })

  test('capabilities, seccomp and masked paths confine it inside the guest too', async () => {
    const script =
      'grep -E "^(CapEff|Seccomp):" /proc/self/status; cat /proc/kcore | wc -c; mount -t tmpfs x /mnt; echo $?'
    const { stdout } = await kata.run(['sh', '-c', script])
    expect(stdout).toContain('CapEff:\t00000000a80425fb')
    expect(stdout).toContain('Seccomp:\t2')
    expect(stdout).toMatch(/\n0\n1\n$/)
  })

  test('a read-only root refuses writes, an ordinary one takes them', async () => {
    const write = ['sh', '-c', 'echo x > /file && cat /file']
    expect((await kata.run(write)).stdout).toBe('x\n')
    const refused = await kata.run(write, { flags: ['--read-only'] })
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('Read-only file system')
  })

  test('the guest clock is the host clock', async () => {
    const { stdout } = await kata.run(['date', '+%s'])
    expect(Math.abs(Number(stdout) - Date.now() / 1000)).toBeLessThan(30)
  })

  test('the machine has the memory and processors that were asked for', async () => {
    const { stdout } = await kata.run(['sh', '-c', 'grep MemTotal /proc/meminfo; nproc'], {
      flags: ['--machine-memory', '512M', '--vcpus', '2'],
    })
    const [memory, processors] = stdout.split('\n')
    const kilobytes = Number(/\d+/.exec(memory!)![0])
    expect(kilobytes).toBeGreaterThan(400 * 1024)
    expect(kilobytes).toBeLessThan(513 * 1024)
    expect(processors).toBe('2')
  })
})

describe('limits bind', () => {
  test('a container over its memory limit is killed', async () => {
    const eat = 'x=$(head -c 30000000 /dev/zero | tr "\\0" x); echo survived'
    const { code, stdout, stderr } = await kata.run(['sh', '-c', eat], {
      flags: ['-m', '16M'],
    })
    expect(stdout).not.toContain('survived')
    expect({ code, stderr }).toEqual({ code: 137, stderr: expect.stringContaining('[CONTAINER_OOM]') })
    expect((await kata.run(['sh', '-c', eat], { flags: ['-m', '256M'] })).stdout).toContain('survived')
  })

  test('--memory and --cpus are limits of the container, which its machine gets on top', async () => {
    const script = 'cd /sys/fs/cgroup; cat memory.max cpu.max; grep MemTotal /proc/meminfo; nproc'
    const flags = ['-m', '128M', '--cpus', '0.5', '--machine-memory', '256M', '--vcpus', '1']
    const { stdout, stderr } = await kata.run(['sh', '-c', script], { flags })
    const [memory, cpu, total = '', processors] = stdout.split('\n')
    expect({ memory, cpu, processors, stderr }).toEqual({
      memory: String(128 * 2 ** 20),
      cpu: '50000 100000',
      processors: '2',
      stderr: '',
    })
    const kilobytes = Number(/\d+/.exec(total)?.[0])
    expect(kilobytes).toBeGreaterThan(300 * 1024)
    expect(kilobytes).toBeLessThan(385 * 1024)
  })

  test('a container at its pids limit cannot fork', async () => {
    const fork = 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; echo all'
    const limited = await kata.run(['sh', '-c', fork], { flags: ['--pids-limit', '5'] })
    expect(limited.stderr).toContain('fork')
    expect((await kata.run(['sh', '-c', fork])).stdout).toContain('all')
  })
})

describe('root file systems and volumes', () => {
  test('a root file system directory is never modified', async () => {
    using dir = scratch()
    const rootfs = `${dir.path}/rootfs`
    mkdirSync(`${rootfs}/bin`, { recursive: true })
    for (const name of ['proc', 'sys', 'dev', 'tmp', 'etc']) mkdirSync(`${rootfs}/${name}`)
    writeFileSync(`${rootfs}/bin/busybox`, readFileSync(busyboxPath), { mode: 0o755 })
    symlinkSync('busybox', `${rootfs}/bin/sh`)
    writeFileSync(`${rootfs}/etc/marker`, 'before')
    const before = listing(rootfs)
    const script =
      'echo after > /etc/marker; /bin/busybox rm /bin/busybox; echo > /new; /bin/busybox true || echo gone'
    const { stdout, stderr } = await kata.run(['/bin/sh', '-c', script], { flags: ['--rootfs', rootfs] })
    expect({ stdout, stderr }).toEqual({ stdout: 'gone\n', stderr: expect.stringContaining('not found') })
    expect(listing(rootfs)).toEqual(before)
    expect(readFileSync(`${rootfs}/etc/marker`, 'utf8')).toBe('before')
  })

  podTest('volumes: read-write reaches the host, read-only refuses', async () => {
    using dir = scratch()
    writeFileSync(`${dir.path}/in`, 'from the host')
    const script = 'cat /data/in; echo -n from the guest > /data/out; echo x > /fixed/out'
    const flags = ['-v', `${dir.path}:/data`, '-v', `${dir.path}:/fixed:ro`]
    const { stdout, stderr } = await kata.run(['sh', '-c', script], { flags })
    expect(stdout).toBe('from the host')
    expect(stderr).toContain('Read-only file system')
    expect(readFileSync(`${dir.path}/out`, 'utf8')).toBe('from the guest')
  })

  podTest('--mount says the same as a volume and a tmpfs', async () => {
    using dir = scratch()
    writeFileSync(`${dir.path}/in`, 'from the host')
    const script = 'cat /data/in; echo x > /data/out; df -k /scratch | tail -n 1'
    const flags = [
      ...['--mount', `type=bind,source=${dir.path},target=/data,readonly`],
      ...['--mount', 'type=tmpfs,target=/scratch,tmpfs-size=4m'],
    ]
    const { stdout, stderr } = await kata.run(['sh', '-c', script], { flags })
    expect(stdout).toMatch(/^from the hosttmpfs +4096 /)
    expect(stderr).toContain('Read-only file system')
  })

  test('a single file can be a volume', async () => {
    using dir = scratch()
    writeFileSync(`${dir.path}/conf`, 'one file')
    const { stdout } = await kata.run(['cat', '/etc/app.conf'], {
      flags: ['-v', `${dir.path}/conf:/etc/app.conf:ro`],
    })
    expect(stdout).toBe('one file')
  })
})

describe('a container that goes on in the background', () => {
  test(
    'exec, kill, logs, ps, inspect and rm see it',
    async () => {
      const started = await kata.call([
        'run',
        '-d',
        '--name',
        'worker',
        '--',
        'sh',
        '-c',
        'echo started; echo trouble >&2; exec sleep 300',
      ])
      expect(started.stderr).toBe('')
      expect(started.code).toBe(0)
      const exec = await kata.call(['exec', 'worker', '--', 'sh', '-c', 'echo inside; exit 7'])
      expect({ stdout: exec.stdout, code: exec.code }).toEqual({ stdout: 'inside\n', code: 7 })
      const piped = await kata.call(['exec', '-i', 'worker', '--', 'wc', '-c'], { stdin: 'twelve bytes' })
      expect(piped.stdout.trim()).toBe('12')
      const missing = await kata.call(['exec', 'worker', '--', 'no-such-command'])
      expect(missing.code).toBe(127)
      // The containers of other tests are in the list, too.
      const listed = async (): Promise<{ id: string; status: string } | undefined> =>
        JSON.parse((await kata.call(['ps', '--format', 'json'])).stdout).find(
          ({ id }: { id: string }) => id === 'worker',
        )
      expect((await listed())?.status).toBe('running')
      const logs = await kata.call(['logs', 'worker'])
      expect({ stdout: logs.stdout, stderr: logs.stderr }).toEqual({
        stdout: 'started\n',
        stderr: 'trouble\n',
      })
      const facts = await kata.inspect('worker')
      expect(JSON.stringify(facts)).toContain('vmmPid')
      const version = expect.stringMatching(/^\d+\.\d+\.\d+$/)
      expect(facts.sandbox.agent).toEqual({ name: 'kata-ts', version })
      expect((await kata.call(['kill', '-s', 'KILL', 'worker'])).code).toBe(0)
      await eventually(
        'the container to stop',
        async () => (await listed())?.status === 'stopped' || undefined,
      )
      expect((await kata.call(['rm', 'worker'])).code).toBe(0)
      expect(await listed()).toBeUndefined()
    },
    slow(60_000),
  )

  test('a process that leaves a child with its pipes ends, and the child lives on', async () => {
    await kata.call(['run', '-d', '--name', 'leaver', '--', 'sleep', '300'])
    const exec = (script: string) => kata.call(['exec', 'leaver', '--', 'sh', '-c', script])
    const left = await exec('echo gone; echo bad >&2; sleep 1000 & exit 5')
    expect(left).toEqual({ code: 5, stdout: 'gone\n', stderr: 'bad\n' })
    expect((await exec('ps')).stdout).toContain('sleep 1000')
    expect((await kata.call(['rm', '-f', 'leaver'])).code).toBe(0)
  })

  test('a dozen execs give their last line too', async () => {
    await kata.call(['run', '-d', '--name', 'busy', '--', 'sleep', '300'])
    for (let round = 0; round < 12; round++) {
      const said = await kata.call(['exec', 'busy', '--', 'sh', '-c', 'uname -s; echo two; hostname'])
      expect(said).toEqual({ code: 0, stdout: 'Linux\ntwo\nbusy\n', stderr: '' })
    }
    expect((await kata.call(['rm', '-f', 'busy'])).code).toBe(0)
  })

  test('a name can be used once only', async () => {
    await kata.call(['run', '-d', '--name', 'only', '--', 'sleep', '300'])
    const second = await kata.call(['run', '-d', '--name', 'only', '--', 'true'])
    expect(second.code).toBe(125)
    expect(second.stderr).toContain('only')
    expect((await kata.call(['rm', '-f', 'only'])).code).toBe(0)
  })
})

test('a guest of the user’s own is told what Kata’s guests need', async () => {
  using dir = scratch()
  const { kernel, initrd } = requireImage()
  const file = `${dir.path}/configuration.toml`
  const own = shippedConfiguration()
    .replace(/^kernel = ""$/m, `kernel = "${kernel}"`)
    .replace(/^initrd = ""$/m, `initrd = "${initrd}"`)
  writeFileSync(file, own)
  const cmdline = async (...flags: string[]) =>
    (await kata.run(['cat', '/proc/cmdline'], { flags })).stdout.split(' ')
  const katas = ['cgroup_no_v1=all', 'systemd.unified_cgroup_hierarchy=1']
  expect(await cmdline('--config', file)).toEqual(expect.arrayContaining(katas))
  expect(await cmdline()).not.toContain(katas[0])
})

test('a terminal: one stream, its size, and resizing', async () => {
  // The new size comes when it comes.
  const guest = 'tty; stty size; until stty size | grep "^24 80"; do sleep 0.1; done'
  const output: string[] = []
  const terminal = Bun.spawn(kata.command(['run', '--rm', '-it', '--', 'sh', '-c', guest]), {
    terminal: {
      cols: 101,
      rows: 33,
      data: (pty, chunk) => {
        output.push(Buffer.from(chunk).toString())
        if (output.join('').includes('33 101')) pty.resize(80, 24)
      },
    },
  })
  expect(await terminal.exited).toBe(0)
  const text = () => output.join('')
  // What it wrote last may be read after its end.
  await eventually('the second size', () => text().includes('24 80') || undefined)
  expect(text()).toContain('/dev/pts/0')
  expect(text()).toContain('33 101')
})

test(
  'a container that ends while the share answers nothing does not take the machine with it',
  async () => {
    await kata.call(['run', '-d', '--name', 'slow-share', '--', 'sleep', '300'])
    const { virtiofsdPids } = (await kata.inspect('slow-share')).sandbox
    const ended = async () => (await kata.inspect('slow-share')).status === 'stopped' || undefined
    for (const pid of virtiofsdPids) process.kill(pid, 'SIGSTOP')
    try {
      // Its program's file is let go of by a request that has no answer, as the last of its mounts go. Linux sends it on the
      // way out of the process, which then ends with the answer only, or later, while the mounts go already.
      await kata.call(['kill', '-s', 'KILL', 'slow-share'])
      await eventually('the container to have ended', ended, 3000).catch(() => {})
    } finally {
      for (const pid of virtiofsdPids) process.kill(pid, 'SIGCONT')
    }
    await eventually('the container to have ended', ended)
    expect(await kata.call(['rm', '-f', 'slow-share'])).toMatchObject({ code: 0, stderr: '' })
  },
  slow(60_000),
)

function listing(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map(String).sort()
}
