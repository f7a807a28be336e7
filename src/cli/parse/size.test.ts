import { expect, test } from 'bun:test'
import { parseMachineMemory, parseMemoryLimit, parseSize } from './size.ts'

test.each([
  ['1', 1],
  ['512b', 512],
  ['64k', 65536],
  ['64K', 65536],
  ['1.5g', 1.5 * 2 ** 30],
  ['512M', 512 * 2 ** 20],
  ['512MiB', 512 * 2 ** 20],
  ['512mb', 512 * 2 ** 20],
  ['2t', 2 * 2 ** 40],
])('%s is %d bytes', (text, bytes) => {
  expect(parseSize(text, '--memory')).toBe(bytes)
})

test.each(['', '0', '-1', '1x', 'M', '1 2', '99999999999t', '1e3', '0x10'])('refuses %p', (text) => {
  expect(() => parseSize(text, '--memory')).toThrow(/^\[OPTION_INVALID\].*--memory/)
})

test('MiB are rounded up, so that a machine never gets less than asked', () => {
  expect(parseMachineMemory('256M', 1024)).toBe(256)
  expect(parseMachineMemory('262145k', 1024)).toBe(257)
  for (const text of ['512', '127M', '2g'])
    expect(() => parseMachineMemory(text, 1024)).toThrow('with its unit, from 128M to 1024M')
})

test('a container needs 6 MiB, which a number without its unit is not', () => {
  expect(parseMemoryLimit('6M')).toBe(6 * 2 ** 20)
  for (const text of ['5M', '6291455', '512'])
    expect(() => parseMemoryLimit(text)).toThrow(/^\[OPTION_INVALID\] --memory does not take .*from 6M on/)
})
