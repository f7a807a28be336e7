import { expect, test } from 'bun:test'
import type { OciSpec } from './spec.ts'
import { checkSpecLimits } from './spec-limits.ts'

const mounts = (count: number) => Array.from({ length: count }, (_, index) => ({ destination: `/m${index}` }))

test('as many as the limit are fine, one more is not', () => {
  expect(() => checkSpecLimits({ mounts: mounts(512) }, 'c1')).not.toThrow()
  expect(() => checkSpecLimits({ mounts: mounts(513) }, 'c1')).toThrow(
    '[SPEC_LIMIT] container c1 asks for 513 mounts; the limit is 512',
  )
})

const device = { path: '/dev/x', type: 'c', major: 1, minor: 3 }
const hook = { path: '/bin/true' }
const named = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`net.x${index}`, '1']))
test.each<[string, number, (count: number) => OciSpec]>([
  ['devices', 4096, (count) => ({ linux: { devices: Array(count).fill(device) } })],
  ['device rules', 8192, (count) => ({ linux: { resources: { devices: Array(count).fill({}) } } })],
  ['namespaces', 64, (count) => ({ linux: { namespaces: Array(count).fill({ type: 'mount' }) } })],
  ['hooks', 64, (count) => ({ hooks: { prestart: [hook], poststop: Array(count - 1).fill(hook) } })],
  ['annotations', 4096, (count) => ({ annotations: named(count) })],
  [
    'supplementary groups',
    65_536,
    (count) => ({ process: { user: { additionalGids: Array(count).fill(1) } } }),
  ],
  [
    'rlimits',
    64,
    (count) => ({ process: { rlimits: Array(count).fill({ type: 'RLIMIT_CORE', soft: 0, hard: 0 }) } }),
  ],
  ['sysctls', 512, (count) => ({ linux: { sysctl: named(count) } })],
])('so it is with %s', (what, limit, specOf) => {
  expect(() => checkSpecLimits(specOf(limit), 'c1')).not.toThrow()
  expect(() => checkSpecLimits(specOf(limit + 1), 'c1')).toThrow(
    expect.objectContaining({
      code: 'SPEC_LIMIT',
      fields: { container: 'c1', what, count: limit + 1, limit },
    }),
  )
})

test('arguments and environment fit into what the kernel takes, all together with their pointers', () => {
  const texts = (count: number, bytes: number) => Array.from({ length: count }, () => 'x'.repeat(bytes))
  const env = texts(16, 65_536)
  expect(() => checkSpecLimits({ process: { env, args: ['sh'] } }, 'c1')).not.toThrow()
  expect(() => checkSpecLimits({ process: { env, args: env } }, 'c1')).toThrow(
    /^\[SPEC_LIMIT\] container c1 asks for 20974\d\d bytes of arguments and environment; the limit is 2097152/,
  )
  expect(() => checkSpecLimits({ process: { env: texts(200_000, 2) } }, 'c1')).toThrow(
    'asks for 2200000 bytes',
  )
})

test('paths are absolute, short and without NUL', () => {
  const check = (destination: string, source?: string) => () =>
    checkSpecLimits({ mounts: [{ destination, ...(source === undefined ? {} : { source }) }] }, 'c1')
  expect(check('/a')).not.toThrow()
  for (const path of ['a', '', '/a\0b', `/${'x'.repeat(4095)}`])
    expect(check(path)).toThrow('[SPEC_PATH] container c1 has a mount destination')
  expect(check('/a', '/b\0')).toThrow('mount source')
  const device = (path: string) => () =>
    checkSpecLimits({ linux: { devices: [{ path, type: 'c', major: 1, minor: 3 }] } }, 'c1')
  expect(device('/dev/null')).not.toThrow()
  expect(device('dev/null')).toThrow('device path')
  const namespace = (path: string) => () =>
    checkSpecLimits({ linux: { namespaces: [{ type: 'network', path }] } }, 'c1')
  expect(namespace('/proc/1/ns/net')).not.toThrow()
  expect(namespace('/proc/1\0/ns/net')).toThrow('[SPEC_PATH] container c1 has a namespace path')
  const root = (path: string) => () => checkSpecLimits({ root: { path } }, 'c1')
  expect(root('rootfs')).not.toThrow()
  for (const path of ['', 'a\0b']) expect(root(path)).toThrow('[SPEC_PATH] container c1 has a root path')
  const cwd = (path: string) => () => checkSpecLimits({ process: { cwd: path } }, 'c1')
  for (const path of ['', '/', '/a/../b']) expect(cwd(path)).not.toThrow()
  expect(cwd('foo')).toThrow('[SPEC_PATH] container c1 has a working directory that cannot be used: "foo"')
})
