/** What the host changes or asks about the virtual machine itself. */
import { addEntropy, readFile, reboot, setClock, sync } from 'syscalls'
import { changeThreads } from './boot/cgroups.ts'
import { growSocketMemory } from './network/socket-memory.ts'
import { exists, list, readIfThere, set } from './system/files.ts'
import { sleep } from './system/wait.ts'

const cpus = '/sys/devices/system/cpu'
const memory = '/sys/devices/system/memory'
/** How long plugged processors may take to appear when the host wants to wait for them. */
const hotplugMilliseconds = 3000

/** From <linux/reboot.h>. */
const rebootCommands = { restart: 0x0123_4567, powerOff: 0x4321_fedc } as const

/** Sets the wall clock. */
export function setDateTime(seconds: bigint, microseconds: bigint): void {
  setClock(Number(seconds), Number(microseconds) * 1000)
}

/** A guest that was cloned from a template shares its random state with others until this. */
export function reseed(bytes: Uint8Array): void {
  addEntropy(bytes)
}

/** Brings up to `count` offline processors online; with `wait`, until that many are. Returns how many it were. */
export async function onlineCpus(count: number, wait: boolean): Promise<number> {
  let done = 0
  for (let waited = 0; ; waited += 5) {
    for (const name of list(cpus).filter((name) => /^cpu\d+$/.test(name))) {
      const file = `${cpus}/${name}/online`
      if (done >= count || readIfThere(file)?.trim() !== '0') continue
      set(file, '1')
      done += 1
    }
    if (done >= count || !wait || waited >= hotplugMilliseconds) return done
    await sleep(5)
  }
}

/** Brings every memory block online that is not. */
export function onlineMemory(): void {
  for (const name of list(memory).filter((name) => /^memory\d+$/.test(name))) {
    const file = `${memory}/${name}/state`
    const isOffline = () => readIfThere(file)?.trim() === 'offline'
    if (!isOffline()) continue
    try {
      set(file, 'online')
    } catch (error) {
      // The kernel itself may have been quicker, by its own policy.
      if (isOffline()) throw error
    }
  }
  const [, total = '0'] = /^MemTotal:\s*(\d+)/m.exec(readFile('/proc/meminfo')) ?? []
  const kibibytes = Number(total)
  changeThreads(() => allowThreads(kibibytes))
  growSocketMemory(kibibytes)
}

const threadsMax = '/proc/sys/kernel/threads-max'
/** The kernel allows threads whose stacks of 16 KiB fill an eighth of the memory, and looks at that once, when it boots. */
const kibibytesPerThread = 128

function allowThreads(kibibytes: number): void {
  const threads = Math.floor(kibibytes / kibibytesPerThread)
  if (threads > Number(readFile(threadsMax))) set(threadsMax, String(threads))
}

/** Bytes per hot-pluggable memory block; 0 when the kernel has no memory hot-plug. */
export function memoryBlockSize(): bigint {
  const text = readIfThere(`${memory}/block_size_bytes`)?.trim()
  return text ? BigInt(`0x${text}`) : 0n
}

export function canProbeMemory(): boolean {
  return exists(`${memory}/probe`)
}

/** Ends the virtual machine, by a restart where nothing else does. */
export function switchOff({ byRestart }: { byRestart: boolean }): void {
  sync()
  reboot(byRestart ? rebootCommands.restart : rebootCommands.powerOff)
}

export function kernelCommandLine(): string {
  return readFile('/proc/cmdline')
}
