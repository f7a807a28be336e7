/** Programs that may not be signalled, as sudo's, and those that cannot be started. */
import { expect, test } from 'bun:test'
import { getEventListeners } from 'node:events'
import type { CommandWords } from './call.ts'
import { callToEnd, startCall } from './call.ts'
import { eventsOf } from './events.ts'
import { startProcess } from './process.ts'
import { Sandbox } from './sandbox.ts'

/** A program that does this and answers as the executable does; `$2` is its result file. */
const program = (script: string): CommandWords => [
  ...(['sh', '-c'] as const),
  `${script}; echo '{"exitCode":0,"errors":[],"warnings":[]}' > "$2"`,
  'sh',
]

test('a signal that could not be sent is no end of the call', async () => {
  const { child, result } = await startCall(program('sleep 0.3'), ['run'])
  // What Node's `kill` does for a process of another user; without a listener the second would end the program.
  for (let times = 0; times < 2; times++)
    child.emit('error', Object.assign(new Error('kill EPERM'), { code: 'EPERM' }))
  expect(await result).toEqual({ exitCode: 0, warnings: [] })
})

test('a command that failed without a word is no success', async () => {
  const failed: CommandWords = [
    ...(['sh', '-c'] as const),
    `echo '{"exitCode":125,"errors":[],"warnings":[]}' > "$2"; exit 125`,
    'sh',
  ]
  await expect(callToEnd(failed, ['stop', 'box'])).rejects.toMatchObject({ code: 'SDK_ANSWER_MISSING' })
  await expect(Sandbox.create({ executable: failed })).rejects.toMatchObject({ code: 'SDK_ANSWER_MISSING' })
})

test('a signal for many commands keeps no listener of those that have ended', async () => {
  const { signal } = new AbortController()
  for (let times = 0; times < 3; times++) {
    const running = await startProcess(program('true'), 'box', ['true'], { signal })
    expect(await running.exitCode).toBe(0)
  }
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})

test('words that are too long for the kernel are an error of the SDK', async () => {
  const call = callToEnd(program('true'), ['exec', 'x'.repeat(200_000)])
  await expect(call).rejects.toMatchObject({ name: 'SandboxError', code: 'SDK_EXECUTABLE_MISSING' })
})

test('a signal ends the events of a program that does not take one', async () => {
  const over = new AbortController()
  const line = '{"Action":"start","Actor":{"ID":"a","Attributes":{}},"timeNano":1}'
  const words = program(`trap "" TERM; echo '${line}'; exec sleep 20`)
  const seen: string[] = []
  const begunAt = performance.now()
  for await (const { action } of eventsOf(words, { signal: over.signal })) {
    seen.push(action)
    setTimeout(() => over.abort(), 50)
  }
  expect({ seen, ended: performance.now() - begunAt < 15_000 }).toEqual({ seen: ['start'], ended: true })
}, 30_000)
