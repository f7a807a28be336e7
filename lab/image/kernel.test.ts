import { expect, test } from 'bun:test'
import { askedRelease } from './kernel.ts'

test('the lab host has its own kernel unless an older release is named that is known', () => {
  expect(askedRelease({})).toBeUndefined()
  expect(askedRelease({ KATA_TS_LAB_KERNEL: '' })).toBeUndefined()
  expect(askedRelease({ KATA_TS_LAB_KERNEL: 'bookworm' })).toBe('bookworm')
  expect(() => askedRelease({ KATA_TS_LAB_KERNEL: 'buster' })).toThrow('KATA_TS_LAB_KERNEL')
})
