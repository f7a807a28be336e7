/** A guest whose agent lies, under containerd: it is removed as any other, and containerd and its neighbours go on. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { eventually } from '../harness/kata.ts'
import { lyingConfiguration } from '../harness/lying-guest.ts'
import { slow } from '../harness/time.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { EventLog } from './events.ts'
import { busyboxImage } from './images.ts'

let containerd: Containerd
let events: EventLog
let directory: string
let config: string
let before: HostState
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  config = await lyingConfiguration(directory)
  containerd = await Containerd.start()
  events = new EventLog(containerd, 'default')
  before = hostState(defaultRunDir)
}, slow(120_000))
afterAll(async () => {
  events.close()
  await containerd.close()
  rmSync(directory, { recursive: true })
}, slow(60_000))
afterEach(async () => {
  // What a test that failed left.
  for (const id of (await containerd.ctr(['containers', 'ls', '-q'])).stdout.split('\n').filter(Boolean))
    await remove(id)
  const honest = ['run', '--rm', '--runtime', ourRuntime, busyboxImage, 'honest', 'echo', 'fine']
  expect(await containerd.ctr(honest)).toMatchObject({ code: 0, stdout: 'fine\n' })
  expect((await containerd.ctr(['task', 'ls', '-q'])).stdout).toBe('')
  let left: string[] = []
  await eventually('nothing to be left', () => {
    left = leftBehind(before, hostState(defaultRunDir))
    return left.length === 0 || undefined
  }).catch(() => expect(left).toEqual([]))
})

const lying = (lie: string) => [
  '--runtime',
  ourRuntime,
  '--runtime-config-path',
  config,
  '--env',
  `LIE=${lie}`,
]
const detached = async (lie: string, id = 'liar') => {
  const { code, stderr } = await containerd.ctr([
    ...['run', '-d', ...lying(lie), busyboxImage, id, 'sleep', '1000'],
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}
const remove = async (id = 'liar') => {
  const task = await containerd.ctr(['task', 'rm', '-f', id])
  return { task, container: await containerd.ctr(['containers', 'rm', id]) }
}

test('`task rm -f` works, whatever becomes of SIGKILL', async () => {
  // Side by side, as each is waited for half a minute.
  await Promise.all(
    ['undead', 'mute', 'output'].map(async (lie) => {
      await detached(lie, lie)
      const { task, container } = await remove(lie)
      expect({ lie, ...task }).toMatchObject({ lie, code: 0, stderr: expect.stringContaining('255') })
      expect({ lie, ...container }).toMatchObject({ lie, code: 0, stderr: '' })
      const told = () => events.of(lie).slice(-2)
      await eventually(`the last event of ${lie}`, () => told().at(-1) === 'delete' || undefined)
      expect({ lie, told: told() }).toEqual({ lie, told: ['exit', 'delete'] })
    }),
  )
})

test('a start without an answer ends with SIGKILL, in the time that a process has for its end', async () => {
  const starting = containerd.ctr([
    'run',
    '-d',
    ...lying('mute-StartContainer'),
    busyboxImage,
    'liar',
    'true',
  ])
  await eventually('its creation', () => events.of('liar').at(-1) === 'create' || undefined)
  // Its start is asked for at once, which no event tells.
  await Bun.sleep(1000)
  expect(await containerd.ctr(['task', 'kill', '-s', 'SIGKILL', 'liar'])).toMatchObject({
    code: 0,
    stderr: '',
  })
  const { code, stderr } = await starting
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('within 20 s of SIGKILL'),
  })
  expect((await remove()).container.code).toBe(0)
})

test('an exit code that is none ends the task as any other', async () => {
  const args = ['run', '--rm', ...lying('status-negative'), busyboxImage, 'liar', 'true']
  expect((await containerd.ctr(args)).code).toBe(255)
})

test('OOM events: none of containers of others, and few of its own', async () => {
  const told = () => events.of('liar').filter((topic) => topic === 'oom').length
  await detached('oom')
  const toldBefore = told()
  const started = Date.now()
  await eventually('two of them', () => told() >= toldBefore + 2 || undefined)
  // Once a second, and one more for the second that has begun.
  expect(told() - toldBefore).toBeLessThanOrEqual(Math.ceil((Date.now() - started) / 1000) + 1)
  expect(events.of('somebody-elses')).toEqual([])
  expect((await remove()).container.code).toBe(0)
})

test.each(['stats', 'stats-many'])('statistics without end fail, and the shim lives: %s', async (lie) => {
  await detached(lie)
  const logged = containerd.log().length
  expect(await containerd.ctr(['task', 'metrics', 'liar'])).toMatchObject({ code: 1, stdout: '' })
  const why = /an answer of 8\d{5} bytes is over the limit of 262144|StatsContainer not understood/
  expect(containerd.log().slice(logged)).toMatch(why)
  const exec = ['task', 'exec', '--exec-id', 'one', 'liar', 'echo', 'lives']
  expect((await containerd.ctr(exec)).stdout).toBe('lives\n')
  expect((await remove()).container.code).toBe(0)
})
