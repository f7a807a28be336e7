/** A guest whose agent lies: what the host says of each lie, how it ends, and that nothing is left. */
import { afterAll, beforeAll, describe, expect } from 'bun:test'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { independentTest as test } from './harness/independent-test.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { lyingConfiguration } from './harness/lying-guest.ts'
import { slow } from './harness/time.ts'

/** What steers a terminal or turns a text around; lines end as they may. */
const unfit = /[^\P{Cc}\n]|\p{Bidi_Control}/u

let kata: Kata
let directory: ReturnType<typeof scratch>
let config: string
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  directory = scratch()
  config = await lyingConfiguration(directory.path)
  // The control: asked for no lie it is an agent like any other.
  const honest = await run('', ['sh', '-c', 'echo out; exit 42'])
  expect(honest).toEqual({ code: 42, stdout: 'out\n', stderr: '' })
  before = hostState(kata.runDir)
}, slow(120_000))
// What a test leaves has the name of its lie.
afterAll(async () => {
  let left: string[] = []
  await eventually('nothing to be left', () => {
    left = leftBehind(before, hostState(kata.runDir))
    return left.length === 0 || undefined
  }).catch(() => expect(left).toEqual([]))
  await kata.close()
  directory[Symbol.dispose]()
}, slow(60_000))

const flags = (lie: string) => ['--config', config, '-e', `LIE=${lie}`]
const run = (lie: string, command: readonly string[]) => kata.run(command, { flags: flags(lie) })
/** A lie told before there is a container. */
const start = (lie: string) => kata.run(['true'], { flags: ['--config', config, '--hostname', `lie-${lie}`] })
const detached = async (lie: string, asked = flags(lie)) => {
  const name = `liar-${lie}`
  const args = ['run', '-d', '--name', name, ...asked, '--', 'sleep', '1000']
  expect(await kata.call(args)).toEqual({ code: 0, stdout: `${name}\n`, stderr: '' })
  return name
}
const remove = async (name: string) => expect((await kata.call(['rm', '-f', name])).code).toBe(0)

test.each(['status-negative', 'status-largest', 'status-300'])(
  'an exit code that is none: %s',
  async (lie) => {
    expect(await run(lie, ['true'])).toEqual({ code: 255, stdout: '', stderr: '' })
  },
)

describe('a start', () => {
  test('with memory blocks of 32 GiB is refused', async () => {
    const { code, stderr } = await start('blocks')
    expect(code).toBe(125)
    expect(stderr).toContain('[AGENT_MISBEHAVED]')
    expect(stderr).toContain('memory blocks of 34359738368 bytes')
  })

  test('with a version of a megabyte is refused', async () => {
    const { code, stderr } = await start('version-huge')
    expect(code).toBe(125)
    expect(stderr).toMatch(/an answer of \d{7} bytes is over the limit of 65536/)
  })

  test('with a version of escapes shows none of them', async () => {
    const name = await detached('version', ['--config', config, '--hostname', 'lie-version'])
    const { stdout } = await kata.call(['inspect', name])
    expect(stdout).not.toMatch(unfit)
    expect(JSON.parse(stdout)[0].sandbox.agent.version.length).toBe(64)
    await remove(name)
  })
})

test.each(['error', 'error-code'])('an error that poses as ours is told as the guest’s: %s', async (lie) => {
  const name = await detached(lie)
  const { code, stderr } = await kata.call(['exec', name, 'true'])
  expect(code).toBe(125)
  expect(stderr).toContain('the guest says: [2J 31m gnp.exe the shim has to be repaired')
  expect(stderr).not.toContain('[SHIM_DIED]')
  expect(stderr).not.toMatch(unfit)
  await remove(name)
})

// A flood begins before the container is there.
test.each([
  ['twice', 255],
  ['flood', 125],
])('answers that nobody asked for end the machine: %s', async (lie, ends) => {
  const { code, stderr } = await run(lie, ['sh', '-c', 'while :; do echo x; sleep 0.01; done'])
  expect(code).toBe(ends)
  expect(stderr).toContain('the peer sent more than 64 frames that nobody asked for')
})

test('more output at a time than was asked for is none', async () => {
  expect(await run('output-long', ['echo', 'x'])).toMatchObject({ code: 0, stdout: '' })
})

const told = /the guest says: |not understood|is over the limit of/
describe('a start whose call is answered with what is none ends with the reason', () => {
  // From the first call on, as the kernel command line asks.
  test.each(['cut-SetGuestDateTime', 'long-ReseedRandomDev', 'deep-CreateSandbox', 'many-GetGuestDetails'])(
    '%s',
    async (lie) => {
      const early = await lyingConfiguration(directory.path, lie)
      const { code, stderr } = await kata.run(['true'], { flags: ['--config', early] })
      expect(code).toBe(125)
      expect(stderr).toMatch(told)
      expect(stderr).not.toMatch(unfit)
    },
  )

  test.each(['poser-CreateContainer', 'cut-StartContainer', 'poser-StartContainer'])('%s', async (lie) => {
    const { code, stderr } = await run(lie, ['true'])
    expect(code).toBe(125)
    expect(stderr).toMatch(told)
    expect(stderr).not.toContain('[SHIM_DIED]')
    expect(stderr).not.toMatch(unfit)
  })
})

test('what nobody reads of an answer may be anything', async () => {
  // The lie stands in the place of the truth: nothing was started, and the host waits for its end.
  await remove(await detached('untyped-StartContainer'))
})

describe('a container is removed, whatever is said to', () => {
  test.each([
    'poser-SignalProcess',
    'cut-WaitProcess',
    'long-ReadStdout',
    'mute-RemoveContainer',
    'deep-DestroySandbox',
  ])('%s', async (lie) => {
    const name = await detached(lie)
    for (const args of [['ps'], ['inspect', name], ['logs', name]]) {
      const { stdout, stderr } = await kata.call(args)
      expect(stdout + stderr).not.toMatch(unfit)
      if (args.length === 1) expect(stdout).toContain(name)
    }
    await remove(name)
  })
})

test('a guest that is silent loses its machine', async () => {
  // Its answers go to other calls.
  const { code, stderr } = await start('astray')
  expect(code).toBe(125)
  expect(stderr).toContain('[SANDBOX_DIED]')
  expect(stderr).toContain('its guest has not answered for 30 s')
})

test('a guest whose process goes on after SIGKILL loses its machine', async () => {
  const name = await detached('undead')
  expect((await kata.call(['kill', '-s', 'KILL', name])).code).toBe(0)
  // Ten seconds for its output, and twenty for its end.
  await eventually('its end', async () => !(await kata.isRunning(name)) || undefined, 60_000)
  const { failure } = await kata.inspect(name)
  expect(failure.message).toContain(`died: its guest did not end ${name} within 20 s of SIGKILL`)
  expect((await kata.call(['rm', name])).code).toBe(0)
})
