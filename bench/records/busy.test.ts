import { expect, test } from 'bun:test'
import { readTicks, sharesBetween, ticksOf } from './busy.ts'

const stat = (...times: number[]) => `cpu  ${times.join(' ')}\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n`

test('waiting for a disk is not work, and what the hypervisor took is', () => {
  const before = readTicks(stat(10, 0, 10, 1000, 50, 0, 0, 5, 0, 0))
  expect(before).toEqual({ all: 1075, busy: 25, stolen: 5 })
  const after = readTicks(stat(20, 5, 20, 1060, 50, 0, 5, 15, 0, 0))
  expect(sharesBetween(before, after)).toEqual({ busy: 0.4, stolen: 0.1 })
})

test('the time of a guest is not counted twice', () => {
  expect(readTicks(stat(10, 0, 0, 10, 0, 0, 0, 0, 10, 0)).all).toBe(20)
})

test('the time of a process is that of its threads, whatever it is called', () => {
  const used = process.cpuUsage()
  const seconds = (used.user + used.system) / 1e6
  // Ticks are hundredths of a second.
  expect(Math.abs(ticksOf(process.pid) / 100 - seconds)).toBeLessThan(1)
  expect(ticksOf(2 ** 22)).toBe(0)
})

test('less than no time is none', () => {
  expect(sharesBetween({ all: 0, busy: 5, stolen: 0 }, { all: 100, busy: 3, stolen: 0 }).busy).toBe(0)
})

test('no time at all is not busy', () => {
  const ticks = readTicks()
  expect(ticks.all).toBeGreaterThan(ticks.busy)
  expect(sharesBetween(ticks, ticks)).toEqual({ busy: 0, stolen: 0 })
})
