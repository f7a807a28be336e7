import { expect, test } from 'bun:test'
import type { LinuxResources } from '../../../../src/protocol/generated/oci.ts'
import { commandNotFound, internal } from '../errors.ts'
import { explainByMemory } from './memory-limit.ts'

const limited = (limit: bigint) => ({ memory: { limit } }) as LinuxResources
const silent = internal('read from the init process: Success')

test('a container whose making was killed, or refused memory, has too low a limit', () => {
  for (const [error, kills] of [
    [silent, 1n],
    [internal('clone: Cannot allocate memory'), 0n],
  ] as const)
    expect(explainByMemory(error, limited(262144n), kills)).toMatchObject({
      code: 'invalid_argument',
      reason: 'MEMORY_LIMIT_TOO_LOW',
      message: `262144 bytes; crun says: ${error.message}`,
    })
})

test.each([
  ['nothing was killed', silent, limited(262144n), 0n],
  ['there is no limit', silent, limited(-1n), 1n],
  ['there are no resources', silent, undefined, 1n],
  ['the command is wrong', commandNotFound('executable file `x` not found'), limited(262144n), 1n],
  ['it is no answer of crun’s', new Error('x'), limited(262144n), 1n],
])('it is something else when %s', (_, error, resources, kills) => {
  expect(explainByMemory(error, resources, kills)).toBe(error)
})
