import { expect, test } from 'bun:test'
import { parseBoolean, parseChoice, parseWhole } from './number.ts'

test('whole numbers within bounds', () => {
  expect(parseWhole('1', '--vcpus', 1, 8)).toBe(1)
  expect(parseWhole('8', '--vcpus', 1, 8)).toBe(8)
  for (const text of ['0', '9', '1.5', '-1', '', '1e0'])
    expect(() => parseWhole(text, '--vcpus', 1, 8)).toThrow(/^\[OPTION_INVALID\].*--vcpus.*1 to 8/)
})

test('choices and booleans name what is allowed', () => {
  expect(parseChoice('tcg', '--accelerator', ['auto', 'kvm', 'tcg'])).toBe('tcg')
  expect(() => parseChoice('xen', '--accelerator', ['auto', 'kvm'])).toThrow(/auto, kvm/)
  expect(parseBoolean('false', '--rootless')).toBe(false)
  expect(() => parseBoolean('no', '--rootless')).toThrow(/true, false/)
})
