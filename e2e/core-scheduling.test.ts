// test:vmm: every VMM
/**
 * `enable_core_scheduling` on the kernel of this host, whichever it is: cores of their own for all threads of the VMM, nothing to separate
 * where a core runs one thread at a time, or a refusal by name. Nothing starts with less than was asked for.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import type { SyscallError } from '../src/linux/libc.ts'
import { coreCookie, coreScheduling, newCoreCookie } from '../src/linux/processes/core-scheduling.ts'
import { readCores } from '../src/rootless/posture/cores.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { auditCode, shippedConfiguration } from './harness/vmm.ts'

setDefaultTimeout(slow(60_000))

const kernel = coreScheduling()
const area = scratch()
const configuration = `${area.path}/configuration.toml`
let kata: Kata
let before: HostState

beforeAll(() => {
  kata = new Kata()
  before = hostState(kata.runDir)
  const setting = /^enable_core_scheduling = .*$/m
  expect(shippedConfiguration()).toMatch(setting)
  writeFileSync(configuration, shippedConfiguration().replace(setting, 'enable_core_scheduling = true'))
})
afterAll(async () => {
  await kata.close()
  area[Symbol.dispose]()
})

const start = (name: string, flags: readonly string[], env: Record<string, string> = {}) =>
  kata.call(['run', '-d', '--name', name, ...flags, '--', 'sleep', '1000'], { env })

function errnoOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return (error as SyscallError).errno
  }
}

/** Of prctl(PR_SCHED_CORE): EINVAL without CONFIG_SCHED_CORE, ENODEV without hyper-threads. */
const errnos = { usable: undefined, 'no-smt': 'ENODEV', missing: 'EINVAL' } as const

test(`the kernel answers to both calls as one that is "${kernel}"`, () => {
  expect(errnoOf(() => coreCookie(0))).toBe(errnos[kernel])
  const child = Bun.spawn(['/bin/sleep', '100'])
  try {
    expect(errnoOf(() => newCoreCookie(child.pid))).toBe(errnos[kernel])
  } finally {
    child.kill()
  }
})

test(`a machine that asks for it, on a kernel that is "${kernel}"`, async () => {
  const { code, stderr } = await start('asked', ['--config', configuration])
  if (kernel === 'missing') {
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining('[CORE_SCHEDULING_MISSING]'),
    })
    expect(stderr).toContain('this kernel was built without it')
  } else {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { vmmPid } = (await kata.inspect('asked')).sandbox
    expect(readCores(vmmPid)).toBe(kernel === 'usable' ? 'own' : 'no-smt')
    expect((await kata.call(['audit', 'asked'])).code).toBe(auditCode)
    await kata.call(['rm', '-f', 'asked'])
  }
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
})

test('one that does not ask starts on every kernel, and shares its cores', async () => {
  expect((await start('free', [])).code).toBe(0)
  const { vmmPid } = (await kata.inspect('free')).sandbox
  const shared = { usable: 'shared', 'no-smt': 'no-smt', missing: 'unknown' } as const
  expect(readCores(vmmPid)).toBe(shared[kernel])
  await kata.call(['rm', '-f', 'free'])
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
})
