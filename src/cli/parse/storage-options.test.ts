import { expect, test } from 'bun:test'
import { parseStorageOptions } from './storage-options.ts'

test.each([
  [[], undefined],
  [['size=10G'], 10 * 2 ** 30],
  [['size=16m'], 16 * 2 ** 20],
  [['size=1g', 'size=16T'], 16 * 2 ** 40],
])('%p', (options, bytes) => {
  expect(parseStorageOptions(options)).toBe(bytes)
})

test.each(['size=15M', 'size=17T', 'size=', 'size=ten', 'size=1G=5T', 'size', 'dm.basesize=10G', ''])(
  '%p is refused by name',
  (option) => {
    expect(() => parseStorageOptions([option])).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', message: expect.stringContaining('--storage-opt') }),
    )
  },
)
