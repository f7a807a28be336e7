/**
 * Finds the process that uses a VFIO device already. Opening its character device a second time succeeds: the
 * kernel refuses only to bind it to another address space (EINVAL), which the VMM learns too late to say anything useful.
 */
import { readlinkSync, statSync } from 'node:fs'
import type { DeviceNumbers } from '../linux/device-numbers.ts'
import { deviceNumbers } from '../linux/device-numbers.ts'
import { namesIn } from '../linux/files/names-in.ts'

/** The process, not this one, that has the character device with these numbers open. Root sees the descriptors of every process. */
export function vfioHolder(numbers: DeviceNumbers, self = process.pid, proc = '/proc'): number | undefined {
  return namesIn(proc)
    .filter((name) => /^\d+$/.test(name) && Number(name) !== self)
    .map(Number)
    .find((pid) => namesIn(`${proc}/${pid}/fd`).some((fd) => isIt(`${proc}/${pid}/fd/${fd}`, numbers)))
}

/** The numbers alone count: where a node lies depends on whose root is asked. Its name only saves looking at every file. */
function isIt(fd: string, { major, minor }: DeviceNumbers): boolean {
  try {
    if (!readlinkSync(fd).includes('vfio')) return false
    const stat = statSync(fd)
    const found = deviceNumbers(stat.rdev)
    return stat.isCharacterDevice() && found.major === major && found.minor === minor
  } catch {
    // It was closed meanwhile.
    return false
  }
}
