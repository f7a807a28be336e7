import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadOnHost } from './system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'machine-'))
afterAll(() => rmSync(top, { recursive: true }))
const machine = join(top, 'root')
const { onlineMemory } = (
  await loadOnHost<typeof import('./machine.ts')>('machine.ts', join(top, 'share'), machine)
).module

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(machine, path)), { recursive: true })
  writeFileSync(join(machine, path), text)
}
const read = (path: string) => readFileSync(join(machine, path), 'utf8')
const kata = 'sys/fs/cgroup/kata'
const limits = () =>
  Object.fromEntries(['', '/free', '/own'].map((name) => [name, read(`${kata}${name}/pids.max`)]))

/** A machine that had half a GiB when it booted, with a container without a limit of its own. */
beforeEach(() => {
  write('proc/sys/kernel/threads-max', '4000\n')
  write(`${kata}/pids.max`, '3750')
  write(`${kata}/free/pids.max`, '3500')
  write(`${kata}/own/pids.max`, '1000')
  write('sys/devices/system/memory/memory9/state', 'offline')
  // The kernel's own for that.
  write('proc/sys/net/ipv4/tcp_mem', '5661\t7551\t11322')
  write('proc/sys/net/ipv4/udp_mem', '11325\t15102\t22650')
})

test('a machine that has grown has room for more threads, and its containers may have them', () => {
  write('proc/meminfo', 'MemTotal:        4194304 kB\nMemFree:  1 kB\n')
  onlineMemory()
  expect(read('proc/sys/kernel/threads-max')).toStartWith('32768')
  expect(limits()).toEqual({ '': '30720', '/free': '28672', '/own': '1000' })
})

test('its sockets may have as much memory as if it had booted with what it has', () => {
  write('proc/meminfo', 'MemTotal:        4194304 kB\n')
  onlineMemory()
  expect(read('proc/sys/net/ipv4/tcp_mem')).toBe('49152 65536 98304')
  expect(read('proc/sys/net/ipv4/udp_mem')).toBe('98304 131072 196608')
})

test('what somebody else has set for sockets stays', () => {
  write('proc/sys/net/ipv4/tcp_mem', '1000\t2000\t3000')
  rmSync(join(machine, 'proc/sys/net/ipv4/udp_mem'))
  write('proc/meminfo', 'MemTotal:        4194304 kB\n')
  onlineMemory()
  expect(read('proc/sys/net/ipv4/tcp_mem')).toBe('1000\t2000\t3000')
})

test('one that has not leaves the limits as they are', () => {
  write('proc/meminfo', 'MemTotal:         500000 kB\n')
  onlineMemory()
  expect(read('proc/sys/kernel/threads-max')).toBe('4000\n')
  expect(limits()).toEqual({ '': '3750', '/free': '3500', '/own': '1000' })
})
