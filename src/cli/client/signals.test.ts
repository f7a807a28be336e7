import { afterEach, expect, test } from 'bun:test'
import { catchSignals, Interrupted, interruptible, type SignalCatcher } from './signals.ts'

let signals: SignalCatcher | undefined
afterEach(() => signals?.release())

test('without a handler a signal interrupts, with the exit code of the shell', async () => {
  signals = catchSignals()
  process.emit('SIGTERM', 'SIGTERM')
  const error = await signals.interrupted.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(Interrupted)
  expect((error as Interrupted).exitCode).toBe(143)
})

test('the second request to end is told apart, other signals are not', () => {
  signals = catchSignals()
  const seen: [string, boolean][] = []
  signals.handle((signal, repeated) => seen.push([signal, repeated]))
  for (const signal of ['SIGUSR1', 'SIGINT', 'SIGUSR1', 'SIGTERM'] as const) process.emit(signal, signal)
  expect(seen).toEqual([
    ['SIGUSR1', false],
    ['SIGINT', false],
    ['SIGUSR1', false],
    ['SIGTERM', true],
  ])
})

test('released signals are not ours any more', () => {
  const before = process.listenerCount('SIGINT')
  catchSignals().release()
  expect(process.listenerCount('SIGINT')).toBe(before)
})

test('work that is interrupted ends with the signal, and other failures stay what they are', async () => {
  const before = process.listenerCount('SIGINT')
  const aborted = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('torn off'))))
  const working = interruptible(aborted)
  process.emit('SIGINT', 'SIGINT')
  const error = await working.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(Interrupted)
  expect((error as Interrupted).exitCode).toBe(130)
  await expect(interruptible(() => Promise.reject(new Error('of its own')))).rejects.toThrow('of its own')
  expect(await interruptible(async () => 7)).toBe(7)
  expect(process.listenerCount('SIGINT')).toBe(before)
})
