import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { FakeClock } from '../../time.double.ts'
import { IdleShare } from './idle-share.ts'

const directory = mkdtempSync(`${tmpdir()}/kata-ts-idle-`)
afterAll(() => rmSync(directory, { recursive: true }))

const file = `${directory}/stat`
/** In ticks: what is used, what is idle, and what waits for a disk, which is idle too. */
const write = (used: number, idle: number, disk = 0) =>
  writeFileSync(file, `cpu  ${used} 0 0 ${idle} ${disk} 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n`)

test('it is that of the last ten seconds', async () => {
  const clock = new FakeClock()
  const share = new IdleShare(file, clock)
  write(1000, 1000)
  expect(share.read()).toBeUndefined()
  await clock.pass(5000)
  write(1500, 1000)
  expect(share.read()).toBeUndefined()
  await clock.pass(5000)
  write(1500, 1400, 100)
  expect(share.read()).toBe(50)
  // The first half of these has passed.
  await clock.pass(5000)
  write(1500, 1900, 100)
  expect(share.read()).toBe(100)
})

test('that of this host is read', async () => {
  const clock = new FakeClock()
  const share = new IdleShare(undefined, clock)
  share.read()
  await Bun.sleep(100)
  await clock.pass(10_000)
  const percent = share.read()!
  expect(percent).toBeGreaterThanOrEqual(0)
  expect(percent).toBeLessThanOrEqual(100)
})

test('where the kernel tells nothing, nothing is known', () => {
  expect(new IdleShare(`${directory}/none`).read()).toBeUndefined()
})
