/** A containerd whose `delete` takes longer than it waits: the task is told as ended and forgotten, and nothing is left. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { shimsBelow } from '../harness/host/processes.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { busyboxImage } from './images.ts'

let containerd: Containerd
let directory: string
let hold: string
let notes: string
let before: HostState
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-held-')
  ;[hold, notes] = ['hold', 'notes'].map((name) => `${directory}/${name}`) as [string, string]
  containerd = await Containerd.start({
    env: {
      KATA_TS_FAILPOINTS: 'delete/before-release:process=hold',
      KATA_TS_FAILPOINTS_HOLD: hold,
      KATA_TS_FAILPOINTS_REACHED: notes,
    },
  })
  const { code } = await containerd.ctr([
    'run',
    '--rm',
    '--runtime',
    ourRuntime,
    busyboxImage,
    'first',
    'true',
  ])
  expect(code).toBe(0)
  before = hostState(defaultRunDir)
}, slow(120_000))
afterAll(async () => {
  rmSync(hold, { force: true })
  await containerd.close()
  rmSync(directory, { recursive: true })
}, slow(60_000))

test(
  'a shim that was killed, on a host where its teardown takes long',
  async () => {
    writeFileSync(hold, '')
    const flags = ['-d', '--runtime', ourRuntime, busyboxImage, 'task', 'sleep', '600']
    expect(await containerd.ctr(['run', ...flags])).toMatchObject({ code: 0 })
    const [shim] = shimsBelow(containerd.files.state)
    process.kill(shim!, 'SIGKILL')
    await eventually('the teardown to be held', () => existsSync(notes) || undefined)
    // It has its answer, and forgets the task, while the teardown still goes on.
    await eventually('the answer', () => containerd.log().includes('[TEARDOWN_GOES_ON]') || undefined)
    await eventually('the task to be forgotten', async () => {
      const { code } = await containerd.ctr(['containers', 'rm', 'task'])
      return code === 0 || undefined
    })
    expect(existsSync(hold)).toBe(true)
    expect(leftBehind(before, hostState(defaultRunDir))).not.toEqual([])
    rmSync(hold)
    await eventually('nothing to be left', () =>
      leftBehind(before, hostState(defaultRunDir)).length === 0 ? true : undefined,
    )
    expect(readFileSync(notes, 'utf8')).toBe('delete/before-release:process\n')
  },
  slow(120_000),
)
