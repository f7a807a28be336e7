// test:vmm: every VMM
/** The size that a terminal begins with: what the client told before the start, or what the specification says. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Pod } from './pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const runDir = ownDirectory('/run/kt-')
let before: ReturnType<typeof hostState>
let pod: Pod
beforeAll(async () => {
  before = hostState(runDir)
  pod = await Pod.start({ id: 'terminal', dir: `${area.path}/p`, runDir })
  await pod.add('main')
})
afterAll(async () => {
  await pod?.stop()
  unmountBelow(area.path)
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

const script = 'stty size'
const consoleSize = { height: 44, width: 132 }

test.each([
  ['told by ResizePty before Start', {}, { height: 33, width: 101 }, '33 101'],
  ['of the specification', { consoleSize }, undefined, '44 132'],
  [
    'told by ResizePty, which is later than the specification',
    { consoleSize },
    { height: 33, width: 101 },
    '33 101',
  ],
])('a container’s terminal has the size %s', async (_, process, told, size) => {
  const wish = { args: ['sh', '-c', script], terminal: true, process: { terminal: true, ...process } }
  await pod.create('sized', wish)
  if (told !== undefined) await pod.task.resizePty({ id: 'sized', ...told })
  await pod.task.start({ id: 'sized' })
  expect(await pod.end('sized')).toMatchObject({ code: 0, stdout: `${size}\r\n` })
})

test('and so has that of an exec', async () => {
  const sized = { terminal: true, consoleSize }
  expect(await pod.exec('main', script, sized)).toMatchObject({ code: 0, stdout: '44 132\r\n' })
})

test('an exec that asks at once for its size has the one that was told before its start', async () => {
  const request = pod.described('main', script, { terminal: true })
  await pod.task.exec(request)
  await pod.task.resizePty({ id: 'main', execId: request.execId, height: 33, width: 101 })
  expect(await pod.finish('main', request.execId)).toMatchObject({ code: 0, stdout: '33 101\r\n' })
})

test('without a size it is a terminal without one, as under runc', async () => {
  const { stdout } = await pod.exec('main', 'test -t 0 && echo terminal; stty size', { terminal: true })
  // busybox says no more of a size of 0x0.
  expect(stdout).toBe('terminal\r\nstty: standard input\r\n')
})
