// test:vmm: every VMM
/** A guest that ends by itself: the pod's end is told by what it was, on every VMM, and never by what goes with it. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  // The first start of a boot warns that it has no KVM.
  expect(await kata.run(['true'])).toMatchObject({ code: 0 })
  before = hostState(kata.runDir)
}, slow(60_000))
afterAll(() => kata.close(), slow(60_000))

test.each([
  ['panics', 'c', 'its guest kernel panicked: Kernel panic - not syncing: sysrq triggered crash'],
  ['resets', 'b', 'its guest reset itself'],
  ['is switched off', 'o', 'its guest switched itself off'],
])(
  'a guest that %s is told as that, and nothing is left',
  async (_, key, says) => {
    const act = `echo ${key} > /proc/sysrq-trigger; sleep 60`
    const { code, stderr } = await kata.run(['sh', '-c', act], { flags: ['--privileged'] })
    expect({ code, stderr }).toEqual({ code: 255, stderr: expect.stringContaining(`died: ${says}`) })
    expect(stderr).not.toContain('virtiofsd')
    await eventually(
      'nothing to be left',
      () => leftBehind(before, hostState(kata.runDir)).length === 0 || undefined,
    )
  },
  120_000,
)
