import { expect, test } from 'bun:test'
import { toAgentResources } from './guest/agent-resources.ts'
import { parseResourcesText, parseSpecText } from './read-spec.ts'
import type { OciCpu, OciMemory, OciResources } from './resources.ts'

const read = (unified: Record<string, string>, others: OciResources = {}) =>
  parseResourcesText(JSON.stringify({ ...others, unified }))

test.each<[string, OciMemory]>([
  ['536870912', { limit: 512 << 20 }],
  ['512M', { limit: 512 << 20 }],
  ['1g\n', { limit: 1 << 30 }],
  ['max', { limit: -1 }],
])('memory.max of %j is the limit of memory', (file, memory) => {
  expect(read({ 'memory.max': file, 'memory.high': '1' })).toEqual({
    memory,
    unified: { 'memory.high': '1' },
  })
})

test.each<[string, OciCpu]>([
  ['150000 50000', { quota: 150_000, period: 50_000 }],
  ['150000', { quota: 150_000 }],
  ['max 50000', { quota: -1, period: 50_000 }],
  ['max', { quota: -1 }],
])('cpu.max of %j is quota and period', (file, cpu) => {
  expect(read({ 'cpu.max': file, 'cpu.idle': '1' })).toEqual({ cpu, unified: { 'cpu.idle': '1' } })
})

test('the file is what counts, as with other runtimes, and leaves the rest as it is', () => {
  const others = { memory: { limit: 5, swap: 7 }, cpu: { quota: 5, period: 20_000, shares: 2 } }
  expect(read({ 'memory.max': '9', 'cpu.max': '6000' }, others)).toEqual({
    memory: { limit: 9, swap: 7 },
    cpu: { quota: 6000, period: 20_000, shares: 2 },
    unified: {},
  })
  expect(Object.isFrozen(read({ 'memory.max': '9' }).memory)).toBe(true)
  expect(toAgentResources(read({ 'memory.max': '9' }))).toMatchObject({ memory: { limit: 9n }, unified: {} })
})

test.each([
  ['memory.max', '', 'expected a number of bytes, such as 512M, or max, is another text'],
  ['memory.max', '0', 'expected a number of bytes'],
  ['memory.max', '0100', 'expected a number of bytes'],
  ['memory.max', '-1', 'expected a number of bytes'],
  ['memory.max', '1.5G', 'expected a number of bytes'],
  ['memory.max', '8E', 'expected a number of bytes'],
  ['cpu.max', '50%', 'expected microseconds or max, and perhaps a period of microseconds, is another text'],
  ['cpu.max', '0 100000', 'expected microseconds'],
  ['cpu.max', '100000 0', 'expected microseconds'],
  ['cpu.max', '1 2 3', 'expected microseconds'],
])('%s of %j is refused by its name', (name, file, says) => {
  const told = `[OCI_SPEC_INVALID] the OCI specification is invalid: linux.resources.unified.${name}: ${says}`
  expect(() => read({ [name]: file })).toThrow(told)
  expect(() =>
    parseSpecText(JSON.stringify({ linux: { resources: { unified: { [name]: file } } } })),
  ).toThrow(told)
})
