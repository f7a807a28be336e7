import { expect, test } from 'bun:test'
import { reachableSize, resizeRequest } from './resize.ts'
import type { VmConfig } from './vm-config.ts'

const MiB = 1024 * 1024
const machine = {
  cpus: { boot_vcpus: 1, max_vcpus: 4 },
  memory: { size: 256 * MiB, shared: true, hotplug_size: 512 * MiB },
} as VmConfig
const now = { vcpus: 2, memoryMiB: 384 }

test('a machine grows up to what it was made for, and gives only processors back', () => {
  expect(reachableSize({ vcpus: 9, memoryMiB: 9999 }, now, machine)).toEqual({ vcpus: 4, memoryMiB: 768 })
  expect(reachableSize({ vcpus: 1, memoryMiB: 256 }, now, machine)).toEqual({ vcpus: 1, memoryMiB: 384 })
})

test('only what changes is asked for', () => {
  expect(resizeRequest({ vcpus: 3, memoryMiB: 384 }, now)).toEqual({ desired_vcpus: 3 })
  expect(resizeRequest({ vcpus: 2, memoryMiB: 512 }, now)).toEqual({ desired_ram: 512 * MiB })
  expect(resizeRequest(now, now)).toBeUndefined()
})
