import { expect, test } from 'bun:test'
import { SyscallError } from '../../linux/libc.ts'
import {
  type CoreScheduling,
  coreCookie,
  coreScheduling,
  newCoreCookie,
} from '../../linux/processes/core-scheduling.ts'
import { type CoreKernel, type Cores, readCores, requireCoreScheduling, separateCores } from './cores.ts'
import { somePosture } from './posture.double.ts'
import { readPosture } from './posture.ts'
import { describePosture } from './posture-rows.ts'
import { waiterPosture } from './waiter-posture.ts'

/** A kernel with one process, 10; `late` of its threads miss as many renewals. */
function kernel({ state = 'usable' as CoreScheduling, late = 0 } = {}) {
  const cookies = new Map([
    [0, 1n],
    [10, 0n],
    [11, 0n],
  ])
  let next = 2n
  const renewed: number[] = []
  const host: CoreKernel = {
    state: () => state,
    cookie: (tid) => {
      const cookie = cookies.get(tid)
      if (cookie === undefined) throw new SyscallError('PR_SCHED_CORE_GET', 'ESRCH')
      return cookie
    },
    renew: (pid) => {
      renewed.push(pid)
      cookies.set(10, next)
      if (late === 0) cookies.set(11, next)
      else late--
      next++
    },
    // One of them has just ended.
    threads: () => [10, 11, 12],
  }
  return { host, cookies, renewed }
}

test('all threads have one cookie, which nobody else has', () => {
  const { host, renewed } = kernel()
  expect(readCores(10, host)).toBe('shared')
  separateCores(10, host)
  expect(readCores(10, host)).toBe('own')
  expect(renewed).toEqual([10])
})

test('a thread that missed it gets the next one, and a process that never settles is refused', () => {
  const { host, renewed } = kernel({ late: 2 })
  separateCores(10, host)
  expect([readCores(10, host), renewed.length]).toEqual(['own', 3])
  expect(() => separateCores(10, kernel({ late: 99 }).host)).toThrow('[CORE_SCHEDULING_MISSING]')
})

test('several cookies, and the cookie of the reader, are no cores of its own', () => {
  const { host, cookies } = kernel()
  cookies.set(10, 5n)
  expect(readCores(10, host)).toBe('mixed')
  for (const tid of [10, 11]) cookies.set(tid, 1n)
  expect(readCores(10, host)).toBe('shared')
})

test('a host without hyper-threads has nothing to separate; a kernel without core scheduling refuses', () => {
  const single = kernel({ state: 'no-smt' })
  separateCores(10, single.host)
  expect([readCores(10, single.host), single.renewed]).toEqual(['no-smt', []])
  const without = kernel({ state: 'missing' })
  expect(readCores(10, without.host)).toBe('unknown')
  for (const ask of [requireCoreScheduling, (host: CoreKernel) => separateCores(10, host)])
    expect(() => ask(without.host)).toThrow(/^\[CORE_SCHEDULING_MISSING\].*built without it/)
  expect(without.renewed).toEqual([])
})

test('only what was asked to have cores of its own is compared, and its waiter was not', () => {
  const rowsOf = (expected: ReturnType<typeof somePosture>, cores: Cores) =>
    describePosture(expected, { ...readPosture(process.pid), cores }).filter(({ field }) => field === 'cores')
  const own = somePosture({ cores: 'own' })
  expect(rowsOf(own, 'shared')).toEqual([{ field: 'cores', expected: 'own', actual: 'shared' }])
  expect(rowsOf(own, 'no-smt')).toEqual([{ field: 'cores', expected: 'no-smt', actual: 'no-smt' }])
  expect(rowsOf(somePosture(), 'shared')).toEqual([])
  expect(rowsOf(waiterPosture(own), 'shared')).toEqual([])
})

test('this kernel answers one way or the other', () => {
  expect(['own', 'mixed', 'shared', 'no-smt', 'unknown']).toContain(readCores(process.pid))
})

const state = coreScheduling()
const skipped = state === 'usable' ? '' : ` (skipped: core scheduling is ${state} here)`

test.skipIf(skipped !== '')(
  `a child gets a cookie of its own, and what it starts inherits it${skipped}`,
  () => {
    const child = Bun.spawn(['/bin/sh', '-c', 'read go; sleep 100 & echo $!; wait'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    try {
      expect(readCores(child.pid)).toBe('shared')
      separateCores(child.pid)
      expect(readCores(child.pid)).toBe('own')
      expect(coreCookie(child.pid)).not.toBe(coreCookie(0))
    } finally {
      child.kill()
    }
  },
)

test.skipIf(state !== 'missing')('a kernel without it refuses with EINVAL', () => {
  expect(() => newCoreCookie(process.pid)).toThrow('EINVAL')
  expect(() => separateCores(process.pid)).toThrow('[CORE_SCHEDULING_MISSING]')
})
