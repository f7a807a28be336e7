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
})

test('a machine that has grown has room for more threads, and its containers may have them', () => {
  write('proc/meminfo', 'MemTotal:        4194304 kB\nMemFree:  1 kB\n')
  onlineMemory()
  expect(read('proc/sys/kernel/threads-max')).toStartWith('32768')
  expect(limits()).toEqual({ '': '30720', '/free': '28672', '/own': '1000' })
})

test('one that has not leaves the limits as they are', () => {
  write('proc/meminfo', 'MemTotal:         500000 kB\n')
  onlineMemory()
  expect(read('proc/sys/kernel/threads-max')).toBe('4000\n')
  expect(limits()).toEqual({ '': '3750', '/free': '3500', '/own': '1000' })
})
