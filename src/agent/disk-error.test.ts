import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { harmless } from './client.ts'
import { asDiskError, diskCode } from './disk-error.ts'

const reason = 'the disk cannot be mounted as ext4: EINVAL'

test('a disk that the guest does not mount is named with its container, by the reason that the agent gives', () => {
  const told = harmless(new TtrpcError('invalid_argument', reason, { reason: diskCode, isAnswer: true }))
  const error = asDiskError(told, 'web') as KataError
  expect(error).toMatchObject({ code: diskCode, fields: { container: 'web' } })
  expect(error.message).toContain(reason)
})

test.each([
  new TtrpcError('invalid_argument', reason),
  new TtrpcError('internal', reason, { reason: 'SOMETHING_ELSE' }),
  new KataError('AGENT_DIED', { endpoint: 'e', reason }),
])('%p stays what it is', (error) => {
  expect(asDiskError(error, 'web')).toBe(error)
})
