/** What remains of a process whose start is refused or interrupted. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { until } from '../../time.ts'
import { type ExecRequest, withExec } from './exec.ts'

let io: string
beforeEach(() => {
  io = mkdtempSync(`${tmpdir()}/exec-`)
})
afterEach(() => rmSync(io, { recursive: true }))

const never = new Promise<never>(() => {})

/** Runs a process, and returns its error with the calls that the shim got. */
async function failed(exec: () => Promise<void>, interrupted: Promise<never> = never) {
  const calls: string[] = []
  const task = {
    exec: () => {
      calls.push('exec')
      return exec()
    },
    delete: async (id: string) => void calls.push(`delete ${id}`),
  }
  const request = {
    task,
    id: 'web',
    execId: 'probe',
    process: {},
    io,
    streams: { interactive: false, output: { write: async () => {} }, errors: { write: async () => {} } },
    signals: { interrupted },
    settings: { log: silentLogger, tell: () => {} },
  }
  const error = await withExec(request as unknown as ExecRequest, async () => {}).then(
    () => undefined,
    (thrown: Error) => thrown,
  )
  expect(readdirSync(io)).toEqual([])
  return { calls, error }
}

test('a process whose id another one has is refused, and the other one stays', async () => {
  const { calls, error } = await failed(() =>
    Promise.reject(new KataError('TASK_EXISTS', { what: 'process', id: 'probe' } as never)),
  )
  expect(error).toMatchObject({ code: 'TASK_EXISTS' })
  expect(calls).toEqual(['exec'])
})

test('one that is broken off while the shim makes it is forgotten once it is made', async () => {
  const made = Promise.withResolvers<void>()
  const interrupted = Promise.reject(new Error('interrupted'))
  setTimeout(made.resolve, 20)
  const { calls, error } = await failed(() => made.promise, interrupted)
  expect(error?.message).toBe('interrupted')
  expect(calls).toEqual(['exec', 'delete probe'])
})

test('one that runs on, as a check that takes its time to die, is forgotten once it has ended', async () => {
  const ends = Promise.withResolvers<number>()
  let runs = true
  const forgotten: boolean[] = []
  const task = {
    exec: async () => {},
    start: async () => {},
    wait: () => ends.promise,
    delete: async () => {
      forgotten.push(!runs)
      if (runs) throw new KataError('TASK_STATE', { action: 'delete', id: 'probe', state: 'running' })
    },
  }
  const request = {
    task,
    id: 'web',
    execId: 'probe',
    process: {},
    io,
    streams: { interactive: false, output: { write: async () => {} }, errors: { write: async () => {} } },
    signals: { interrupted: never, handle: () => {} },
    settings: { log: silentLogger, tell: () => {} },
  }
  await withExec(request as unknown as ExecRequest, async () => {})
  expect(forgotten).toEqual([false])
  runs = false
  ends.resolve(137)
  await until(() => forgotten.length > 1, { timeoutMs: 2000 })
  expect(forgotten).toEqual([false, true])
})
