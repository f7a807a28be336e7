import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { KataError } from '../../errors.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { watchOom } from './oom.ts'

/** What is told, and at which second, when the guest answers at once, one answer after the other, and then is gone. */
async function toldOf(...answers: (string | Error)[]) {
  const told: string[] = []
  const left = [...answers, new KataError('AGENT_DIED', { endpoint: 'e', reason: 'r' })]
  let now = 0
  const getOOMEvent = async () => {
    const answer = left.shift()!
    if (answer instanceof Error) throw answer
    return { containerId: answer }
  }
  await watchOom(
    { getOOMEvent },
    {
      isKnown: (id) => id === 'a' || id === 'b',
      onOom: (id) => told.push(`${id} at ${now / 1000}`),
      time: {
        now: () => now,
        sleep: async (ms) => {
          now += ms
        },
      },
    },
  )
  expect(left).toEqual([])
  return told
}

test('an error of the guest is no reason to stop listening; the end of the connection is', async () => {
  expect(await toldOf('a', new TtrpcError('internal', 'no event'), 'b')).toEqual(['a at 0', 'b at 1'])
})

test('containers of other pods, and those that there are not, are not told of, and each costs a pause', async () => {
  expect(await toldOf('somebody-elses', '../a', 'a\n', '', 'a')).toEqual(['a at 4'])
})

test('a guest that tells of the same for ever is told of once a second, and asked ten times', async () => {
  const same = Array<string>(25).fill('a')
  expect(await toldOf(...same)).toEqual(['a at 0', 'a at 1', 'a at 2'])
})

test('a container is told of at once, though another one has had several events', async () => {
  expect(await toldOf('a', 'a', 'a', 'b', 'a')).toEqual(['a at 0', 'b at 0'])
})

test('nothing is kept of containers whose last event is old: a pod makes a new one whenever one has ended', async () => {
  const containers = 1000
  let count = 0
  let before = 0
  let after = 0
  const strings = () => {
    Bun.gc(true)
    return heapStats().objectTypeCounts.string ?? 0
  }
  const agent = {
    getOOMEvent: async () => {
      if (++count === 1) before = strings()
      if (count > containers) {
        after = strings()
        throw new KataError('AGENT_DIED', { endpoint: 'agent.sock', reason: 'closed' })
      }
      return { containerId: crypto.randomUUID() }
    },
  }
  // Each event is a minute after the one before.
  const time = { now: () => count * 60_000, sleep: async () => {} }
  let told = 0
  await watchOom(agent, { isKnown: () => true, onOom: () => void told++, time })
  expect(told).toBe(containers)
  expect(after - before).toBeLessThan(containers / 10)
})
