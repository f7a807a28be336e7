/** `attach`, and leaving a terminal by the detach keys, against a double of the shim: its processes have pipes, so nothing echoes. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { eventually, type TestClient, testClient } from '../../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

const leave = '\x10\x11'

/** A command at a terminal of its own. */
function atTerminal(client: TestClient, ...args: string[]) {
  const output: string[] = []
  const shown = () => output.join('')
  const host = `${import.meta.dir}/../../client/client.host.ts`
  const child = Bun.spawn([process.execPath, host, client.base, ...args], {
    terminal: { data: (_, chunk) => void output.push(Buffer.from(chunk).toString()) },
  })
  return {
    exited: child.exited,
    type: (text: string) => void child.terminal!.write(text),
    shows: (text: string) => eventually(() => shown().includes(text)),
    get shown() {
      return shown()
    },
  }
}

/** Whether the process has a file of that name open. */
function hasOpen(pid: number, name: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith(`/${name}`),
    )
  } catch {
    // One was closed meanwhile.
    return false
  }
}

const isRunning = (client: TestClient) =>
  eventually(async () => (await client.list()).some(({ status }) => status === 'running'))

test('run -dit keeps a container open, and people come and go', async () => {
  await using client = testClient()
  await client.start('open', ['sh', '-c', 'while read line; do echo "<$line>"; done; exit 4'], ['-it'])
  const first = atTerminal(client, 'attach', 'open')
  // Until it is attached, what is typed waits in the terminal.
  first.type('one\n')
  await first.shows('<one>')
  first.type(leave)
  expect(await first.exited).toBe(0)
  await isRunning(client)
  const second = atTerminal(client, 'attach', '--detach-keys', 'ctrl-x', 'open')
  second.type('two\n')
  await second.shows('<two>')
  expect(second.shown).not.toContain('<one>')
  second.type('\x18')
  expect(await second.exited).toBe(0)
  expect((await client.kata('logs', 'open')).stdout).toBe('<one>\n<two>\n')
})

test('an exec may have any id, also that of another’s FIFOs', async () => {
  await using client = testClient()
  await client.start('open', ['cat'], ['-i'])
  expect(await client.kata('exec', '--exec-id', 'main', 'open', 'echo', 'hi')).toEqual({
    code: 0,
    stdout: 'hi\n',
    stderr: '',
  })
})

test('attach ends with the exit code of the container, and forwards signals', async () => {
  await using client = testClient()
  await client.start('talker', [
    'sh',
    '-c',
    'trap "echo bye; exit 6" TERM; while :; do echo on; sleep 0.05; done',
  ])
  const watcher = client.spawn(['attach', 'talker'])
  const reader = watcher.stdout.getReader()
  await reader.read()
  watcher.kill('SIGTERM')
  let rest = ''
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += Buffer.from(next.value)
  expect(rest).toEndWith('bye\n')
  expect(await watcher.exited).toBe(6)
})

test('a terminal that runs a container can be left, and come back to', async () => {
  await using client = testClient()
  const script = 'while read line; do echo "<$line>"; done'
  const runner = atTerminal(
    client,
    'run',
    '-it',
    '--name',
    'left',
    '--rootfs',
    client.base,
    '--',
    'sh',
    '-c',
    script,
  )
  runner.type('one\n')
  await runner.shows('<one>')
  // Another person comes and goes meanwhile.
  const second = atTerminal(client, 'attach', 'left')
  second.type('both\n')
  await second.shows('<both>')
  await runner.shows('<both>')
  second.type(leave)
  expect(await second.exited).toBe(0)
  runner.type(leave)
  expect(await runner.exited).toBe(0)
  const attached = atTerminal(client, 'attach', 'left')
  attached.type('two\n')
  await attached.shows('<two>')
  attached.type(leave)
  expect(await attached.exited).toBe(0)
  expect((await client.kata('stop', '-t', '0', 'left')).code).toBe(0)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
})

test('a terminal that is closed leaves the container to which it was attached', async () => {
  await using client = testClient()
  await client.start('open', ['sh', '-c', 'echo ready; while :; do echo word; sleep 0.05; done'], ['-it'])
  const host = `${import.meta.dir}/../../client/client.host.ts`
  const child = Bun.spawn([process.execPath, host, client.base, 'attach', 'open'], {
    terminal: { data: (_, chunk) => void shown.push(Buffer.from(chunk).toString()) },
  })
  const shown: string[] = []
  await eventually(() => shown.join('').includes('word'))
  child.kill('SIGHUP')
  expect(await child.exited).toBe(0)
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'open', status: 'running' })])
})

test('a reader that leaves, or an output that is full, ends attach and not the container', async () => {
  await using client = testClient()
  await client.start('talks', ['sh', '-c', 'while :; do echo word; sleep 0.02; done'])
  const attached = client.spawn(['attach', 'talks'])
  const reader = attached.stdout.getReader()
  await reader.read()
  await reader.cancel()
  expect(await attached.exited).toBe(0)
  const host = `${import.meta.dir}/../../client/client.host.ts`
  const full = Bun.spawn([process.execPath, host, client.base, 'attach', 'talks'], {
    stdio: ['ignore', Bun.file('/dev/full'), 'pipe'],
  })
  expect([await full.stderr.text(), await full.exited]).toEqual([
    expect.stringContaining('[OUTPUT_FAILED]'),
    125,
  ])
  expect(await client.list()).toEqual([expect.objectContaining({ id: 'talks', status: 'running' })])
})

test('a container whose terminal was killed goes on, and its log with it', async () => {
  await using client = testClient()
  const [go, mark] = ['go', 'mark'].map((name) => `${client.base}/${name}`) as [string, string]
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; head -c 200000 /dev/zero; echo over; touch ${mark}; sleep 60`
  const runner = client.spawn(['run', '--name', 'lost', '--rootfs', client.base, '--', 'sh', '-c', script])
  await isRunning(client)
  await eventually(() => existsSync(`${client.base}/state/containers/default/lost/output.log`))
  runner.kill('SIGKILL')
  await runner.exited
  const attached = client.spawn(['attach', 'lost'])
  await eventually(() => hasOpen(attached.pid, 'output.log'))
  writeFileSync(go, '')
  await eventually(() => existsSync(mark))
  expect((await client.kata('start', 'lost')).code).toBe(0)
  expect((await client.kata('stop', '-t', '0', 'lost')).code).toBe(0)
  expect([await attached.stdout.text(), await attached.exited]).toEqual([
    `${'\0'.repeat(200_000)}over\n`,
    137,
  ])
  expect((await client.kata('logs', '--tail', '1', 'lost')).stdout).toEndWith('over\n')
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
})

test.each(['attach', 'logs -f'])(
  'the last output of a container in the foreground is shown by %s',
  async (command) => {
    await using client = testClient()
    const go = `${client.base}/go`
    const script = `while [ ! -e ${go} ]; do sleep 0.02; done; echo over; exit 3`
    const runner = client.spawn(['run', '--name', 'last', '--rootfs', client.base, '--', 'sh', '-c', script])
    await isRunning(client)
    const shown = client.spawn([...command.split(' '), 'last'])
    await eventually(() => hasOpen(shown.pid, 'output.log'))
    // Attached, it waits for the end.
    await Bun.sleep(500)
    runner.kill('SIGSTOP')
    writeFileSync(go, '')
    await eventually(async () => (await client.list())[0]?.status === 'stopped')
    await Bun.sleep(500)
    runner.kill('SIGCONT')
    expect([await shown.stdout.text(), await shown.exited]).toEqual(['over\n', command === 'attach' ? 3 : 0])
    expect(await runner.exited).toBe(3)
  },
)

test('who has waited for a container in the foreground finds all of its output', async () => {
  await using client = testClient()
  const go = `${client.base}/go`
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; echo over; exit 3`
  const runner = client.spawn(['run', '--name', 'last', '--rootfs', client.base, '--', 'sh', '-c', script])
  await isRunning(client)
  runner.kill('SIGSTOP')
  const logged = client.kata('wait', 'last').then(() => client.kata('logs', 'last'))
  writeFileSync(go, '')
  await eventually(async () => (await client.list())[0]?.status === 'stopped')
  await Bun.sleep(1000)
  runner.kill('SIGCONT')
  expect((await logged).stdout).toBe('over\n')
  expect(await runner.exited).toBe(3)
})

test('an input that has ended keeps nobody from being attached to the rest', async () => {
  await using client = testClient()
  const go = `${client.base}/go`
  const script = `cat; while [ ! -e ${go} ]; do sleep 0.02; done; sleep 2; echo over; exit 3`
  const runner = client.spawn(
    ['run', '-i', '--name', 'reads', '--rootfs', client.base, '--', 'sh', '-c', script],
    new Blob(['line\n']),
  )
  const reader = runner.stdout.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('line\n')
  const attached = client.spawn(['attach', 'reads'])
  await eventually(() => hasOpen(attached.pid, 'output.log'))
  writeFileSync(go, '')
  expect([await attached.stdout.text(), await attached.exited, await runner.exited]).toEqual(['over\n', 3, 3])

  // Of an earlier version.
  const log = `${client.base}/state/containers/default/reads/output.log`
  rmSync(log)
  expect((await client.kata('attach', 'reads')).stderr).toContain('[ATTACH_ELSEWHERE]')
})

test('one that was left goes on while its log has no room', async () => {
  await using client = testClient()
  const [go, mark] = ['go', 'mark'].map((name) => `${client.base}/${name}`) as [string, string]
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; head -c 200000 /dev/zero; touch ${mark}; sleep 30`
  const runner = client.spawn([
    ...['run', '--sig-proxy=false', '--name', 'left', '--rootfs', client.base, '--', 'sh', '-c', script],
  ])
  await isRunning(client)
  const log = `${client.base}/state/containers/default/left/output.log`
  rmSync(log)
  symlinkSync('/dev/full', log)
  runner.kill('SIGINT')
  expect(await runner.exited).toBe(0)
  writeFileSync(go, '')
  // Somebody must still read what it prints, or it would wait for ever.
  await eventually(() => existsSync(mark))
  expect((await client.kata('stop', '-t', '0', 'left')).code).toBe(0)
  expect(await client.list()).toEqual([expect.objectContaining({ status: 'stopped', exitCode: 137 })])
})

test('both streams of one that was left without a terminal are read on, and kept', async () => {
  await using client = testClient()
  const [go, mark] = ['go', 'mark'].map((name) => `${client.base}/${name}`) as [string, string]
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; head -c 200000 /dev/zero >&2; echo oops >&2; touch ${mark}`
  const runner = client.spawn([
    ...['run', '--sig-proxy=false', '--name', 'left', '--rootfs', client.base, '--', 'sh', '-c', script],
  ])
  await isRunning(client)
  runner.kill('SIGINT')
  expect(await runner.exited).toBe(0)
  writeFileSync(go, '')
  // It would wait for ever in a write that nobody reads.
  await eventually(() => existsSync(mark))
  expect(await client.kata('wait', 'left')).toEqual({ code: 0, stdout: '0\n', stderr: '' })
  expect((await client.kata('logs', 'left')).stderr).toEndWith('oops\n')
})

test('one with --rm that was left removes itself', async () => {
  await using client = testClient()
  const args = [
    'run',
    '-it',
    '--rm',
    '--name',
    'brief',
    '--rootfs',
    client.base,
    '--',
    'sh',
    '-c',
    'read x; echo "<$x>"; read y; echo end',
  ]
  const runner = atTerminal(client, ...args)
  await isRunning(client)
  // It may run before it is attached: until then the terminal takes Ctrl-Q for itself.
  runner.type('here\n')
  await runner.shows('<here>')
  runner.type(leave)
  expect(await runner.exited).toBe(0)
  expect((await client.kata('stop', '-t', '0', 'brief')).code).toBe(0)
  expect(client.leftovers()).toEqual([])
})

test('a process of exec that was left goes on', async () => {
  await using client = testClient()
  await client.start('host', ['sleep', '30'])
  const mark = `${client.base}/mark`
  const script = `read x; echo "<$x>"; sleep 1; head -c 200000 /dev/zero; touch ${mark}`
  const exec = atTerminal(client, 'exec', '-it', 'host', 'sh', '-c', script)
  exec.type('go\n')
  await exec.shows('<go>')
  exec.type(leave)
  expect(await exec.exited).toBe(0)
  // Somebody must still read what it prints, or it would wait for ever.
  await eventually(() => existsSync(mark))
})

test('input is there for a container that was run with it, and only with a terminal for one that has one', async () => {
  await using client = testClient()
  await client.start('tty', ['cat'], ['-it'])
  expect(await client.kata('attach', 'tty')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[NOT_A_TERMINAL]'),
  })
  await client.start('pipe', ['cat'], ['-i'])
  const piped = client.spawn(['attach', 'pipe'], new Blob(['hello\n']))
  const reader = piped.stdout.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('hello\n')
  // The end of our input is not the end of the container's.
  expect((await client.list()).every(({ status }) => status === 'running')).toBe(true)
  piped.kill('SIGKILL')
})
