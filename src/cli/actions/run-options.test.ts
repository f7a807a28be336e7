import { expect, test } from 'bun:test'
import { limitsOf } from './run-options.ts'

test('a limit of 0 is none, as with docker, and so is -1 for processes', () => {
  expect(limitsOf({ memory: '0', cpus: '0', pidsLimit: '0' })).toEqual({})
  expect(limitsOf({ pidsLimit: '-1' })).toEqual({})
  expect(limitsOf({ memory: '6m', cpus: '0.5', pidsLimit: '7' })).toEqual({
    memoryBytes: 6 * 2 ** 20,
    cpus: 0.5,
    pids: 7,
  })
  for (const flags of [{ memory: '-1' }, { cpus: '-1' }, { pidsLimit: '-2' }])
    expect(() => limitsOf(flags)).toThrow('[OPTION_INVALID]')
})
