import { expect, test } from 'bun:test'
import {
  parseBoolean,
  parseChoice,
  parseCpus,
  parsePidsLimit,
  parseStopTimeout,
  parseWhole,
} from './number.ts'

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

test('processors have fractions', () => {
  expect(['1', '1.5', '.25', '2.'].map((text) => parseCpus(text, 4))).toEqual([1, 1.5, 0.25, 2])
  for (const text of ['0', '0.001', '-1', 'x', '1e2', '241', '.'])
    expect(() => parseCpus(text, 1000)).toThrow(/^\[OPTION_INVALID\] --cpus/)
})

test('there are no more processors than the host has', () => {
  expect(() => parseCpus('4.1', 4)).toThrow('a number from 0.01 to 4, as many as the host has')
  expect(parseCpus('1')).toBe(1)
  expect(() => parseCpus('240.5')).toThrow('OPTION_INVALID')
})

test('the time of a stop is in seconds, or has no end', () => {
  expect(['0', '30', '-1'].map((text) => parseStopTimeout(text, '--time'))).toEqual([0, 30, -1])
  for (const text of ['', '-2', '1.5', 'x'])
    expect(() => parseStopTimeout(text, '--time')).toThrow(/^\[OPTION_INVALID\] --time/)
})

test('a limit of processes is a number that the kernel takes, and 0 or -1 is none', () => {
  expect(['1', '4194304', '0', '-1'].map(parsePidsLimit)).toEqual([1, 4_194_304, undefined, undefined])
  for (const text of ['4194305', '-2', '1.5', '', 'x'])
    expect(() => parsePidsLimit(text)).toThrow(/^\[OPTION_INVALID\] --pids-limit/)
})
