import { expect, test } from 'bun:test'
import { checkMountPlaces } from './mount-place.ts'
import type { OciMount } from './spec.ts'

const check = (mount: OciMount) => () => checkMountPlaces([{ destination: '/data' }, mount], 'c1')
const bind = (source: string, destination: string, ...options: string[]) =>
  check({ source, destination, type: 'bind', options: ['rbind', ...options] })

test('nothing but a proc file system is mounted on /proc', () => {
  expect(check({ destination: '/proc', type: 'proc', source: 'proc' })).not.toThrow()
  expect(bind('/proc', '/proc')).not.toThrow()
  for (const source of ['/proc/', '//proc', '/./proc', '/x/../proc'])
    expect(bind(source, '/proc/')).not.toThrow()
  for (const destination of ['/proc', '/proc/', '//proc', '/a/../proc', '/proc/.'])
    expect(bind('/x', destination)).toThrow(
      `[MOUNT_ON_PROC] container c1 mounts something at ${destination}, where the kernel’s own /proc is`,
    )
  expect(bind('/proc/1', '/proc')).toThrow('MOUNT_ON_PROC')
  expect(bind('/proc', '/proc', 'io.kata-ts.caller=1:1:0:0:1:1')).toThrow('MOUNT_ON_PROC')
  expect(check({ destination: '/proc', type: 'tmpfs', source: 'tmpfs' })).toThrow('MOUNT_ON_PROC')
})

test('below /proc, only the files that LXCFS replaces are mounted', () => {
  for (const name of ['meminfo', 'cpuinfo', 'uptime', 'sys/kernel/ns_last_pid'])
    expect(bind('/var/lib/lxcfs/proc/x', `/proc/${name}`)).not.toThrow()
  for (const name of ['self/attr', 'sys', '1/fd', 'meminfo/x'])
    expect(bind('/x', `/proc/${name}`)).toThrow('MOUNT_ON_PROC')
  expect(check({ destination: '/proc/sys', type: 'proc', source: 'proc' })).toThrow('MOUNT_ON_PROC')
})

test('other places are free', () => {
  for (const destination of ['/process', '/sys', '/host/proc', '/dev/shm'])
    expect(bind('/x', destination)).not.toThrow()
})
