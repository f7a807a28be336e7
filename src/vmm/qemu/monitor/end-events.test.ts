import { expect, test } from 'bun:test'
import type { ExitInfo } from '../../../rootless/jail/launch-spec.ts'
import { EndWatch } from '../../monitor/end-watch.ts'
import { EndEvents } from './end-events.ts'

const clean: ExitInfo = { code: 0, signal: null }
const running = async () => ({ status: 'running' })
const internalError = async () => ({ status: 'internal-error' })

function exitAfter(events: readonly [string, Record<string, unknown>][]): EndWatch {
  const watch = new EndWatch()
  const reports = new EndEvents(watch)
  for (const [name, data] of events) reports.event(name, data, running)
  watch.exitOf(Promise.resolve(clean), [])
  return watch
}

test.each([
  ['a VMM that just exits', [], 'exited', false],
  ['a guest that powers off', [['SHUTDOWN', { guest: true, reason: 'guest-shutdown' }]], 'shutdown', false],
  ['a guest that resets', [['SHUTDOWN', { guest: true, reason: 'guest-reset' }]], 'shutdown', true],
  ['our own quit', [['SHUTDOWN', { guest: false, reason: 'host-qmp-quit' }]], 'exited', false],
  [
    'a panic that the guest reports',
    [
      ['GUEST_PANICKED', { action: 'poweroff' }],
      ['SHUTDOWN', { guest: true, reason: 'guest-panic' }],
    ],
    'guest-panicked',
    false,
  ],
] as const)('%s', async (_, events, reason, wasReset) => {
  const watch = exitAfter(events as never)
  expect(await watch.ended).toEqual({ reason, exit: clean })
  expect(watch.wasReset).toBe(wasReset)
})

test('a guest stopped by an internal error is over though its VMM lives', async () => {
  const watch = new EndWatch()
  new EndEvents(watch).event('STOP', {}, internalError)
  expect(await watch.ended).toEqual({ reason: 'internal-error' })
})

test('a stop that is no internal error ends nothing', async () => {
  const watch = new EndWatch()
  const reports = new EndEvents(watch)
  let asked = 0
  const ask = async () => {
    asked++
    return running()
  }
  reports.event('STOP', {}, ask)
  expect(asked).toBe(1)
  watch.exitOf(Promise.resolve(clean), [])
  expect((await watch.ended).reason).toBe('exited')
})

test('stops without end are asked about one at a time, and the last is not missed', async () => {
  const watch = new EndWatch()
  const reports = new EndEvents(watch)
  const answers: ((status: object) => void)[] = []
  const ask = () => new Promise<object>((answer) => answers.push(answer))
  for (let stop = 0; stop < 1000; stop++) reports.event('STOP', {}, ask)
  expect(answers.length).toBe(1)
  answers[0]!({ status: 'running' })
  await Bun.sleep(0)
  expect(answers.length).toBe(2)
  answers[1]!({ status: 'internal-error' })
  expect(await watch.ended).toEqual({ reason: 'internal-error' })
  await Bun.sleep(0)
  expect(answers.length).toBe(2)
})

test('a stop after an answer is asked about anew', async () => {
  const reports = new EndEvents(new EndWatch())
  let asked = 0
  const ask = async () => {
    asked++
    return running()
  }
  for (let stop = 1; stop <= 3; stop++) {
    reports.event('STOP', {}, ask)
    await Bun.sleep(0)
    expect(asked).toBe(stop)
  }
})
