import { expect, test } from 'bun:test'
import { Stall } from './stall.ts'

function machine() {
  const clock = { cpu: 0, now: 0 }
  return { clock, stall: new Stall(0, { cpu: () => clock.cpu, now: () => clock.now }) }
}

test('a machine that goes on is never halted, however slow it is', () => {
  const { clock, stall } = machine()
  for (let sign = 0; sign < 10; sign++) {
    expect(stall.reason(sign)).toBeUndefined()
    clock.now += 1700
    clock.cpu += 390
    expect(stall.reason(sign)).toBeUndefined()
  }
})

test('one that burns its processor without a sign of life is', () => {
  const { clock, stall } = machine()
  stall.reason(1)
  clock.cpu = 401
  expect(stall.reason(1)).toBe('no sign of life in 401 s of processor time')
})

test('one that gets no processor is waited for, but not for ever', () => {
  const { clock, stall } = machine()
  stall.reason(1)
  clock.now = 1500
  expect(stall.reason(1)).toBeUndefined()
  clock.now = 1801
  expect(stall.reason(1)).toBe('no sign of life in 1801 s')
})
