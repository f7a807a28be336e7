import { expect, test } from 'bun:test'
import { background } from './background.ts'

const untilAborted = (signal: AbortSignal, ended: () => void) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => {
      ended()
      reject(new Error('aborted'))
    }),
  )

test('gives what the work comes to', async () => {
  await using work = background(async () => 7)
  expect(await work.done).toBe(7)
})

test('leaving the scope early aborts the work and waits for its end', async () => {
  let ended = false
  const leave = async () => {
    await using _work = background((signal) => untilAborted(signal, () => (ended = true)))
    throw new Error('a step failed')
  }
  await expect(leave()).rejects.toThrow('a step failed')
  expect(ended).toBe(true)
})

test('a failure reaches whoever waits for it', async () => {
  await using work = background(async () => {
    throw new Error('checksum')
  })
  await expect(work.done).rejects.toThrow('checksum')
})
