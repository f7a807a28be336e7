import { expect, test } from 'bun:test'
import * as v1 from '../../protocol/generated/containerd/cgroups_v1.ts'
import * as v2 from '../../protocol/generated/containerd/cgroups_v2.ts'
import { parseUsage } from './usage.ts'

const mostUint64 = 2n ** 64n - 1n

test('both versions of cgroups tell the same', () => {
  const expected = { cpuMicros: 5000n, memoryBytes: 4096n, memoryLimit: 8192n, processes: 3n }
  const second = v2.Metrics.fromPartial({
    cpu: { usageUsec: 5000n },
    memory: { usage: 4096n, usageLimit: 8192n },
    pids: { current: 3n },
  })
  const first = v1.Metrics.fromPartial({
    cpu: { usage: { total: 5_000_000n } },
    memory: { usage: { usage: 4096n, limit: 8192n } },
    pids: { current: 3n },
  })
  const told = (version: 'v1' | 'v2', value: Uint8Array) =>
    parseUsage({ typeUrl: `io.containerd.cgroups.${version}.Metrics`, value })
  expect(told('v2', v2.Metrics.encode(second).finish())).toEqual(expected)
  expect(told('v1', v1.Metrics.encode(first).finish())).toEqual(expected)
})

test('what is absent is nothing, and the largest number is no limit', () => {
  const value = v2.Metrics.encode(v2.Metrics.fromPartial({ memory: { usageLimit: mostUint64 } })).finish()
  expect(parseUsage({ typeUrl: 'io.containerd.cgroups.v2.Metrics', value })).toEqual({
    cpuMicros: 0n,
    memoryBytes: 0n,
    memoryLimit: undefined,
    processes: 0n,
  })
})

test('another type is an error', () => {
  expect(() => parseUsage({ typeUrl: 'x', value: new Uint8Array() })).toThrow('[INTERNAL]')
})
