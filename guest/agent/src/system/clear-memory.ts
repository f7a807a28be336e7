/** Memory that was used and is free again, before the machine is saved: the kernel leaves in it what was there. */
import { remove } from 'os'
import { close, mount, open, pwrite } from 'syscalls'
import { detach, makeDirectories, openFlags, readIfThere } from './files.ts'

const place = '/run/clear-memory'
const mebibyte = 1024 * 1024
/** Left to the kernel and the agent, MiB. What was freed last is filled first. */
const reserve = 24
/** A larger guest has freed no more than that, and the host would have to give it all of its memory, MiB. */
const most = 512

/** Fills it with zeros, and gives it back. @throws SysError. */
export function clearFreeMemory(): void {
  makeDirectories(place, 0o700)
  mount('tmpfs', place, 'tmpfs', 0, 'size=100%,mode=0700')
  try {
    const fd = open(`${place}/zeros`, openFlags.create | openFlags.writeOnly, 0o600)
    try {
      fill(fd)
    } finally {
      // An open file keeps its memory, even once the file system is detached.
      close(fd)
    }
  } finally {
    detach(place)
    remove(place)
  }
}

function fill(fd: number): void {
  const zeros = new Uint8Array(mebibyte)
  for (let filled = 0; filled < most && availableMiB() > reserve; filled += 1)
    pwrite(fd, zeros, filled * mebibyte)
}

/** What the kernel gives before it looks for memory to take back; zero where it does not say. */
function availableMiB(): number {
  const meminfo = readIfThere('/proc/meminfo') ?? ''
  const [, kibibytes = '0'] = /^MemAvailable: +(\d+) kB$/m.exec(meminfo) ?? []
  return Number(kibibytes) / 1024
}
