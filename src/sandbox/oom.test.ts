import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { watchOom } from './oom.ts'

test('an error of the guest is no reason to stop listening; the end of the connection is', async () => {
  const answers: (string | Error)[] = [
    ...['a', '', new TtrpcError('internal', 'no event'), 'b'],
    new KataError('AGENT_DIED', { endpoint: 'e', reason: 'r' }),
  ]
  const told: string[] = []
  const getOOMEvent = async () => {
    const answer = answers.shift()!
    if (answer instanceof Error) throw answer
    return { containerId: answer }
  }
  await watchOom({ getOOMEvent }, (id) => told.push(id), { waitMs: 0 })
  expect({ told, left: answers.length }).toEqual({ told: ['a', 'b'], left: 0 })
})
