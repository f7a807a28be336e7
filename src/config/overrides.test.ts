import { expect, test } from 'bun:test'
import type { KataError } from '../errors.ts'
import { builtInConfig } from './load.ts'
import { applyOverrides } from './overrides.ts'

const host = { cpus: 4, memoryMiB: 1024 }
const base = builtInConfig(host)

test('sets what is given and leaves the rest', () => {
  const config = applyOverrides(base, { memory: 512, vcpus: 2, rootless: false }, host)
  expect(config.hypervisor).toEqual({
    ...base.hypervisor,
    defaultMemory: 512,
    defaultVcpus: 2,
    rootless: false,
  })
  expect(Object.isFrozen(config.hypervisor)).toBe(true)
  // The built-in 2048 MiB are more than this host has; nobody asked for them just now.
  expect(applyOverrides(base, {}, host)).toEqual(base)
})

test.each([
  [{ memory: 64 }, 'option --machine-memory: '],
  [{ memory: 4096 }, 'at most 1024 MiB'],
  [{ memory: 256.5 }, 'option --machine-memory: '],
  [{ memory: Number.NaN }, 'option --machine-memory: '],
  [{ vcpus: 8 }, 'at most 4'],
  [{ vcpus: Number.POSITIVE_INFINITY }, '--vcpus'],
])('%j is refused and names the option or the limit', (overrides, part) => {
  let message = ''
  try {
    applyOverrides(base, overrides, host)
  } catch (error) {
    message = (error as KataError).message
  }
  expect(message).toContain(part)
})
