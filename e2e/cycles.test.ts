/** What lives long stays as it is: the shim, VMM and file server of a container that is entered 200 times, and the host after 200 starts. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { hostState, leftBehind } from './harness/host.ts'
import { Kata } from './harness/kata.ts'

let kata: Kata
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
})
afterAll(() => kata.close())

/** After so many cycles caches are warm and pools are full. */
const warmUp = 50
const cycles = 200
/** Garbage that is not collected yet, kB; a leak of one message a cycle would be several times as much. */
const breathing = 24 * 1024

function sizeOf(pid: number) {
  const smaps = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    anonymous: Number(/^Anonymous: +(\d+) kB$/m.exec(smaps)![1]),
  }
}

test('200 execs in one container: descriptors, threads and memory of shim and file server are flat', async () => {
  await kata.call(['run', '-d', '--name', 'long', '--', 'sleep', '3600'])
  const { sandbox } = await kata.inspect('long')
  const pids = [sandbox.shimPid, ...sandbox.virtiofsdPids] as number[]
  const inGuest = async () => {
    const { stdout } = await kata.call(['exec', 'long', '--', 'sh', '-c', 'ls -d /proc/[0-9]* | wc -l'])
    return Number(stdout)
  }
  const batch = (count: number) =>
    Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let done = 0; done < count / 4; done++)
          expect(await kata.call(['exec', 'long', '--', 'true'])).toMatchObject({ code: 0 })
      }),
    )
  await batch(warmUp)
  const [before, processesBefore] = [pids.map(sizeOf), await inGuest()]
  await batch(cycles - warmUp)
  const [after, processesAfter] = [pids.map(sizeOf), await inGuest()]
  for (const [index, size] of after.entries()) {
    const was = before[index]!
    expect(size.descriptors).toBeLessThanOrEqual(was.descriptors + 2)
    expect(size.threads).toBeLessThanOrEqual(was.threads + 2)
    expect(size.anonymous).toBeLessThan(was.anonymous + breathing)
  }
  expect(processesAfter).toBe(processesBefore)
  console.log(
    `kB anonymous after ${warmUp} and ${cycles} execs: ${before.map(({ anonymous }, index) => `${anonymous} -> ${after[index]!.anonymous}`).join(', ')}`,
  )
  await kata.call(['rm', '-f', 'long'])
}, 300_000)

test('200 sandboxes made as far as their VMM and removed: the host is as before', async () => {
  const before = hostState(kata.runDir)
  const env = { KATA_TS_FAILPOINTS: 'after-take:process=fail' }
  for (let done = 0; done < cycles; done += 10) {
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => kata.run(['true'], { env })))
    for (const { stderr } of outcomes) expect(stderr).toContain('failpoint after-take:process')
  }
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
}, 300_000)
