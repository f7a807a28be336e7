/** How a container in the background ends, with real machines. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { eventually, Kata } from '../harness/kata.ts'
import { atTerminal } from '../harness/terminal.ts'
import { slow } from '../harness/time.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

async function isReady(name: string): Promise<void> {
  await eventually(
    `${name} to be ready`,
    async () => (await kata.call(['logs', name])).stdout.includes('ready') || undefined,
  )
}

test(
  'stop asks with the signal of the container, and nothing runs for it afterwards',
  async () => {
    const script = 'trap "echo bye; exit 7" INT; echo ready; while :; do sleep 0.1; done'
    await kata.call(['run', '-d', '--name', 'polite', '--stop-signal', 'INT', '--', 'sh', '-c', script])
    await isReady('polite')
    const waiting = kata.call(['wait', 'polite'])
    expect(await kata.call(['stop', 'polite'])).toEqual({ code: 0, stdout: 'polite\n', stderr: '' })
    expect(await waiting).toEqual({ code: 0, stdout: '7\n', stderr: '' })
    expect(await kata.inspect('polite')).toMatchObject({ status: 'stopped', exitCode: 7, sandbox: null })
    expect((await kata.call(['logs', 'polite'])).stdout).toBe('ready\nbye\n')
    expect((await kata.call(['rm', 'polite'])).code).toBe(0)
  },
  slow(60_000),
)

test(
  'stop kills a container that does not end in time',
  async () => {
    const script = 'trap "echo no" TERM; echo ready; while :; do sleep 0.1; done'
    await kata.call(['run', '-d', '--rm', '--name', 'deaf', '--', 'sh', '-c', script])
    await isReady('deaf')
    const waiting = kata.call(['wait', 'deaf'])
    expect(await kata.call(['stop', '-t', '1', 'deaf'])).toEqual({ code: 0, stdout: 'deaf\n', stderr: '' })
    expect(await waiting).toEqual({ code: 0, stdout: '137\n', stderr: '' })
    expect((await kata.call(['inspect', 'deaf'])).stderr).toContain('[CONTAINER_NOT_FOUND]')
  },
  slow(60_000),
)

test(
  'start and restart give a container new machines, with the files that it left',
  async () => {
    const script = 'echo run >> /runs; exec sleep 300'
    const hasRun = (times: number) =>
      eventually(`${times} runs`, async () => {
        const { stdout } = await kata.call(['exec', 'again', 'cat', '/runs'])
        return stdout === 'run\n'.repeat(times) || undefined
      })
    await kata.call(['run', '-d', '--name', 'again', '--', 'sh', '-c', script])
    await hasRun(1)
    const { sandbox: first } = await kata.inspect('again')
    expect((await kata.call(['stop', 'again'])).code).toBe(0)
    expect(await kata.call(['start', 'again'])).toEqual({ code: 0, stdout: 'again\n', stderr: '' })
    await hasRun(2)
    const { sandbox: second, status } = await kata.inspect('again')
    expect(status).toBe('running')
    expect([second.vmmPid === first.vmmPid, second.shimPid === first.shimPid]).toEqual([false, false])
    expect(await kata.call(['restart', 'again'])).toEqual({ code: 0, stdout: 'again\n', stderr: '' })
    await hasRun(3)
    expect((await kata.call(['rm', '-f', 'again'])).code).toBe(0)
  },
  slow(120_000),
)

test(
  'a shell that was left by the detach keys is found again by attach, and a process of exec goes on',
  async () => {
    await kata.call(['run', '-dit', '--name', 'shell', '--', 'sh'])
    const first = atTerminal(kata.command(['attach', 'shell']))
    // The size of the terminal comes with the attachment.
    first.type('place=here; until stty size | grep -q "^24 80"; do sleep 0.1; done; echo $((2 * 40)) wide\n')
    await first.shows('80 wide')
    first.type('\x10\x11')
    expect(await first.exited).toBe(0)
    const second = atTerminal(kata.command(['attach', 'shell']))
    second.type('echo "it is $place"\n')
    await second.shows('it is here')
    const script = 'read go; echo rea""dy; read x; sleep 1; echo $x > /mark'
    const exec = atTerminal(kata.command(['exec', '-it', 'shell', 'sh', '-c', script]))
    // Before the terminal is raw, ctrl-q is its own. Output is shown before that, input is copied from then on.
    exec.type('go\n')
    await exec.shows('ready')
    exec.type('left\n')
    exec.type('\x10\x11')
    expect(await exec.exited).toBe(0)
    await eventually(
      'the process that was left to go on',
      async () => (await kata.call(['exec', 'shell', 'cat', '/mark'])).stdout === 'left\n' || undefined,
    )
    second.type('exit 9\n')
    expect(await second.exited).toBe(9)
    expect((await kata.call(['rm', 'shell'])).code).toBe(0)
  },
  slow(120_000),
)

test(
  'run -it can be left, and its container goes on in the background',
  async () => {
    const runner = atTerminal(kata.command(['run', '-it', '--rm', '--name', 'left', '--', 'sh']))
    runner.type('tty; echo in $((6 * 7))\n')
    await runner.shows('in 42')
    runner.type('\x10\x11')
    expect(await runner.exited).toBe(0)
    expect(await kata.isRunning('left')).toBe(true)
    const attached = atTerminal(kata.command(['attach', 'left']))
    attached.type('echo out $((6 * 9))\n')
    await attached.shows('out 54')
    attached.type('exit 3\n')
    expect(await attached.exited).toBe(3)
    await eventually(
      'the container to be removed',
      async () => (await kata.call(['inspect', 'left'])).stderr.includes('CONTAINER_NOT_FOUND') || undefined,
    )
  },
  slow(120_000),
)

test(
  'a container is made, checked, lost and started again by its policy, and its events tell all of it',
  async () => {
    const script = 'echo ready >> /runs; exec sleep 300'
    const made = ['--health-cmd', 'test -e /well', '--health-interval', '1s', '--health-retries', '1']
    const policy = ['--restart', 'on-failure:1']
    await kata.call(['create', '--name', 'kept', ...made, ...policy, '--', 'sh', '-c', script])
    expect(await kata.inspect('kept')).toMatchObject({ status: 'created', sandbox: null })
    expect((await kata.call(['start', 'kept'])).code).toBe(0)
    expect((await kata.call(['wait', '--condition', 'unhealthy', 'kept'])).code).toBe(0)
    const capabilities = async (...flags: string[]) =>
      (await kata.call(['exec', ...flags, 'kept', 'grep', 'CapEff', '/proc/self/status'])).stdout
    // CAP_SYS_ADMIN is bit 21: the container has it not, a privileged command in it has.
    const has = (line: string) => (BigInt(`0x${line.split('\t')[1]!.trim()}`) >> 21n) & 1n
    expect([has(await capabilities()), has(await capabilities('--privileged'))]).toEqual([0n, 1n])
    await kata.call(['exec', 'kept', 'touch', '/well'])
    expect((await kata.call(['wait', '--condition', 'healthy', 'kept'])).code).toBe(0)
    // The machine is lost under it, which is no wish of a person's.
    process.kill((await kata.inspect('kept')).sandbox.vmmPid, 'SIGKILL')
    const again = await eventually('another run', async () => {
      const facts = await kata.inspect('kept')
      return facts.restarts === 1 && facts.status === 'running' ? facts : undefined
    })
    expect(again.health.status).not.toBe('unhealthy')
    // It is said to run once its process may begin.
    await eventually(
      'two runs',
      async () =>
        (await kata.call(['exec', 'kept', 'cat', '/runs'])).stdout === 'ready\nready\n' || undefined,
    )
    expect((await kata.call(['stop', '-t', '0', 'kept'])).code).toBe(0)
    expect(await kata.inspect('kept')).toMatchObject({ status: 'stopped', exitCode: 137, sandbox: null })
    expect((await kata.call(['rm', 'kept'])).code).toBe(0)
    const { stdout } = await kata.call([
      ...['events', '--since', '1h', '--until', '0s', '--filter', 'container=kept'],
      ...['--format', '{{.Action}} {{.Actor.Attributes.exitCode}}'],
    ])
    const lines = stdout.split('\n').map((line) => line.trim())
    expect(lines.filter((line) => /^[a-z]+( \d+)?$/.test(line))).toEqual([
      ...['create', 'start', 'die 255', 'start', 'die 137', 'stop', 'destroy'],
    ])
    expect(lines.filter((line) => line.startsWith('health')).slice(0, 2)).toEqual([
      ...['health_status: unhealthy', 'health_status: healthy'],
    ])
    expect(lines).toContain('exec_create')
  },
  slow(180_000),
)
