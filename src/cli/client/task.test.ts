/** What becomes of a shim's answers at its client. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { asksForErrorInfo, errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { type Listener, listen } from '../../ttrpc/bun.ts'
import { type Status, serve, service } from '../../ttrpc/ttrpc.ts'
import { answerStatus, isNotFound, TaskClient } from './task.ts'

let directory: string
let listener: Listener
let client: TaskClient
let answer: Status | 'leave'
let metadata: ReadonlyMap<string, string>
beforeEach(async () => {
  directory = mkdtempSync(`${tmpdir()}/task-`)
  const socket = `${directory}/s`
  listener = listen({ unix: socket }, (transport) => {
    const tasks = service(TaskDefinition, {
      kill() {
        if (answer === 'leave') transport.close()
        throw new Error('see toStatus')
      },
    })
    serve(transport, [tasks], {
      toStatus: (_, given) => {
        metadata = given
        return answer === 'leave' ? undefined : answer
      },
    })
  })
  client = await TaskClient.connect(`unix://${socket}`, 'default', 'c')
})
afterEach(() => {
  client.close()
  listener.stop()
  rmSync(directory, { recursive: true })
})

async function failure(given: typeof answer): Promise<KataError> {
  answer = given
  const error = await client.kill(9).catch((thrown: unknown) => thrown)
  if (!(error instanceof KataError)) throw error
  return error
}

test('an error of the shim comes back as the same error, with its remedy', async () => {
  const own = new KataError('TASK_NOT_FOUND', { id: 'process x of c' })
  const error = await failure({ code: own.status, message: own.message, ...errorInfoOf(own) })
  const { code, message, fields, remedy, status, rawMessage } = own
  expect(error).toMatchObject({ code, message, fields, remedy, status, rawMessage })
  expect([answerStatus(error), isNotFound(error)]).toEqual(['not_found', true])
  expect(metadata.get('kata-ts-error-info')).toBe(asksForErrorInfo['kata-ts-error-info'])
})

const info = errorInfoOf(new KataError('SHIM_DIED', { id: 'c' }))
const others: [string, Partial<Status>][] = [
  ['a text that begins with a code', {}],
  ['an ErrorInfo of another domain', { ...info, domain: 'example.com' }],
  ['a code that this version does not know', { ...info, reason: 'NEWER' }],
  ['fields that this version does not have', { ...info, metadata: { container: 'c' } }],
]
test.each(others)('%s makes no error of ours', async (_, details) => {
  const error = await failure({ code: 'not_found', message: '[SHIM_DIED] it died.', ...details })
  expect(error.code).toBe('SHIM_CALL_FAILED')
  expect(error.message).toStartWith(
    '[SHIM_CALL_FAILED] Kill of container c failed with not_found: [SHIM_DIED] it died. Run again',
  )
  expect([answerStatus(error), isNotFound(error)]).toEqual(['not_found', true])
})

test('no answer at all is one of ours too', async () => {
  const error = await failure('leave')
  expect([error.code, answerStatus(error), isNotFound(error)]).toEqual([
    'SHIM_CALL_FAILED',
    'unavailable',
    false,
  ])
  expect(answerStatus(new Error('x'))).toBeUndefined()
})

test('a shim that is not there is told with its address', async () => {
  const address = `unix://${directory}/none`
  await expect(TaskClient.connect(address, 'default', 'c')).rejects.toMatchObject({
    code: 'SHIM_UNREACHABLE',
    fields: { id: 'c', address, reason: 'ENOENT' },
    remedy: expect.stringContaining('kata-ts gc'),
  })
})
