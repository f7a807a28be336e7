import { expect, test } from 'bun:test'
import { checkSpecLimits } from './spec-limits.ts'

const mounts = (count: number) => Array.from({ length: count }, (_, index) => ({ destination: `/m${index}` }))

test('as many as the limit are fine, one more is not', () => {
  expect(() => checkSpecLimits({ mounts: mounts(512) }, 'c1')).not.toThrow()
  expect(() => checkSpecLimits({ mounts: mounts(513) }, 'c1')).toThrow(
    '[SPEC_LIMIT] container c1 asks for 513 mounts; the limit is 512',
  )
  const rlimits = Array.from({ length: 65 }, () => ({ type: 'RLIMIT_CORE', soft: 0, hard: 0 }))
  expect(() => checkSpecLimits({ process: { rlimits } }, 'c1')).toThrow('65 rlimits')
  const sysctl = Object.fromEntries(Array.from({ length: 513 }, (_, index) => [`net.x${index}`, '1']))
  expect(() => checkSpecLimits({ linux: { sysctl } }, 'c1')).toThrow('513 sysctls')
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
  const cwd = (path: string) => () => checkSpecLimits({ process: { cwd: path } }, 'c1')
  for (const path of ['', '/', '/a/../b']) expect(cwd(path)).not.toThrow()
  expect(cwd('foo')).toThrow('[SPEC_PATH] container c1 has a working directory that cannot be used: "foo"')
})
