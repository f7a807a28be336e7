/**
 * `delete` on a host that is too busy for it. containerd kills it after 5 s and reads its output to the end: the work goes on
 * all the same, and nothing of it keeps containerd waiting.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DeleteResponse } from '../src/protocol/generated/containerd/task.ts'
import { sandboxPaths } from '../src/sandbox/records/paths.ts'
import { shim } from './harness/executable.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
}, slow(60_000))
afterAll(() => kata.close(), slow(60_000))

const left = () => leftBehind(before, hostState(kata.runDir))
const nothingLeft = () => eventually('nothing to be left', () => left().length === 0 || undefined)
/** The last thing that a teardown removes. Its process ends a moment later. */
const isTornDown = (name: string) => !existsSync(sandboxPaths(kata.runDir, 'default', name).stateDir)

/** A running sandbox, and `delete` of it as containerd calls it, whose teardown is held at `point`. */
async function heldDelete(name: string, point: string) {
  const started = await kata.call(['run', '-d', '--name', name, '--', 'sleep', '300'])
  expect(started).toMatchObject({ code: 0, stderr: '' })
  const { bundle } = (await kata.inspect(name)).paths
  const [hold, notes] = ['hold', 'notes'].map((file) => `${kata.stateDir}/${name}-${file}`) as [
    string,
    string,
  ]
  writeFileSync(hold, '')
  const call = (env: Record<string, string>) => {
    const flags = ['-namespace', 'default', '-address', '/nonexistent/containerd.sock', '-id', name]
    return Bun.spawn([shim, ...flags, '-bundle', bundle, '-run-dir', kata.runDir, 'delete'], {
      cwd: bundle,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
  }
  const first = call({
    KATA_TS_FAILPOINTS: `delete/${point}=hold`,
    KATA_TS_FAILPOINTS_HOLD: hold,
    KATA_TS_FAILPOINTS_REACHED: notes,
  })
  await eventually(
    point,
    () => (existsSync(notes) && readFileSync(notes, 'utf8').includes(point)) || undefined,
  )
  return { first, again: () => call({}), letGo: () => rmSync(hold) }
}

type Child = Awaited<ReturnType<typeof heldDelete>>['first']
/** As Go's os/exec has it: the process has ended, and nobody else holds its output open. */
async function outcomeOf(child: Child) {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { stdout, stderr, code }
}

test(
  'one that is killed in the middle leaves the work to be done, and no open output',
  async () => {
    const { first, letGo } = await heldDelete('killed', 'before-release:process')
    first.kill('SIGKILL')
    await outcomeOf(first)
    expect(left()).not.toEqual([])
    letGo()
    await nothingLeft()
    await kata.call(['rm', '-f', 'killed'])
  },
  slow(120_000),
)

test(
  'one that takes too long says what is still in use, while that is so; a second one waits for the first',
  async () => {
    const { first, again, letGo } = await heldDelete('used', 'before-release:process')
    const { code, stderr, stdout } = await outcomeOf(first)
    expect({ code, stdout: stdout.length }).toEqual({ code: 1, stdout: 0 })
    expect(stderr).toMatch(
      /\[TEARDOWN_GOES_ON\] sandbox used is not torn down yet, after 4 s: .*process.* still held/,
    )
    expect(left()).not.toEqual([])
    const second = again()
    letGo()
    expect(await outcomeOf(second)).toMatchObject({ code: 0 })
    expect(isTornDown('used')).toBe(true)
    await nothingLeft()
    await kata.call(['rm', '-f', 'used'])
  },
  slow(120_000),
)

test(
  'one that takes too long over numbers and names alone is done for containerd, with a warning',
  async () => {
    const { first, letGo } = await heldDelete('numbers', 'before-release:uid-lease')
    const { code, stderr, stdout } = await outcomeOf(first)
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('no process of the sandbox is left'),
    })
    expect(DeleteResponse.decode(stdout).exitStatus).toBe(137)
    expect(left()).toContainEqual(expect.stringContaining('reservations: '))
    letGo()
    await nothingLeft()
    await kata.call(['rm', '-f', 'numbers'])
  },
  slow(120_000),
)

test(
  'gc waits for a teardown that is under way',
  async () => {
    const { first, letGo } = await heldDelete('collected', 'before-release:process')
    first.kill('SIGKILL')
    const gc = kata.call(['gc'])
    letGo()
    expect(await gc).toMatchObject({ code: 0 })
    expect(isTornDown('collected')).toBe(true)
    await nothingLeft()
    await kata.call(['rm', '-f', 'collected'])
  },
  slow(120_000),
)
