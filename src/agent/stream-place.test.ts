import { describe, expect, test } from 'bun:test'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { places, streamPlaces } from './stream-place.double.ts'
import { withPlace } from './stream-place.ts'

const settled = () => Bun.sleep(1)

describe('a place', () => {
  test('is the caller’s once the guest has answered', async () => {
    const { free, lendPlace } = streamPlaces()
    const place = lendPlace()!
    expect(await withPlace(place, Promise.resolve('answer'), new AbortController().signal)).toBe('answer')
    expect(free.length).toBe(places.count - 1)
  })

  test('is free when the guest’s answer is an error', async () => {
    const { back, free, lendPlace } = streamPlaces()
    const answer = Promise.reject(new TtrpcError('not_found', 'no such process', { isAnswer: true }))
    await expect(withPlace(lendPlace()!, answer)).rejects.toThrow('no such process')
    await settled()
    expect({ back, free: free.length }).toEqual({ back: [places.size], free: places.count })
  })

  test.each<[string, () => { len: number }]>([
    ['an answer', () => ({ len: 1 })],
    [
      'an error',
      () => {
        throw new TtrpcError('not_found', 'no such process', { isAnswer: true })
      },
    ],
  ])('of a call that was given up is free with the answer that comes later: %s', async (_, later) => {
    const { back, free, lendPlace } = streamPlaces()
    const over = new AbortController()
    const answered = Promise.withResolvers<void>()
    const call = withPlace(lendPlace()!, answered.promise.then(later), over.signal)
    over.abort(new Error('the process has ended'))
    await expect(call).rejects.toThrow('the process has ended')
    await settled()
    expect(free.length).toBe(places.count - 1)
    answered.resolve()
    await settled()
    expect({ back, free: free.length }).toEqual({ back: [places.size], free: places.count })
  })

  test('stays lent when no answer can come: the guest may use it yet', async () => {
    const { free, lendPlace } = streamPlaces()
    const lost = Promise.reject(new TtrpcError('unavailable', 'the connection is closed'))
    await expect(withPlace(lendPlace()!, lost)).rejects.toThrow('closed')
    await settled()
    expect(free.length).toBe(places.count - 1)
  })
})
