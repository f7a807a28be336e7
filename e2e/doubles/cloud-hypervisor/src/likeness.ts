/** What the real program has open and which threads it has, where the double needs neither: it has them all the same. */
import { endThread, eventFd, makeMachine, ramFile, startThread, timerFd } from 'double'
import { close, dup, open } from 'syscalls'
import type { VmConfig } from './vm-config.ts'

/** Threads, each under the filters of the one that starts it and one of its own. */
export class Threads {
  readonly #filtered: boolean
  readonly #handles = new Map<string, number>()

  constructor(filtered: boolean) {
    this.#filtered = filtered
  }

  start(...names: readonly string[]): void {
    for (const name of names)
      if (!this.#handles.has(name)) this.#handles.set(name, startThread(name, this.#filtered))
  }

  end(...names: readonly string[]): void {
    for (const name of names) {
      const handle = this.#handles.get(name)
      if (handle !== undefined) endThread(handle)
      this.#handles.delete(name)
    }
  }
}

/** Threads of a network card with so many pairs of queues. */
const cardThreads = (id: string, pairs: number): string[] => [
  `${id}_ctrl`,
  ...Array.from({ length: pairs }, (_, index) => `${id}_qp${index}`),
]
export const diskThread = (id: string): string => `${id}_q0`

/** What a machine that runs holds, from its boot to its end. */
export class MachineLikeness {
  readonly #threads: Threads
  readonly #names: string[]
  readonly #fds: number[]
  readonly #devices = new Map<string, { names: string[]; fds: number[] }>()

  /** Opens what the configuration names, under this thread's rules; throws where that may not be. */
  constructor(config: VmConfig, kvm: number, threads: Threads) {
    const { cpus, payload, rng, fs = [], vsock } = config
    this.#threads = threads
    // The kernel is read and closed; the initrd it keeps, and the source of entropy.
    if (payload?.kernel !== undefined) close(open(payload.kernel, readOnly, 0))
    const kept = [payload?.initramfs, rng?.src].filter((path) => path !== undefined)
    this.#fds = kept.map((path) => open(path, readOnly, 0))
    this.#fds.push(...makeMachine(kvm, cpus.boot_vcpus), ramFile(), eventFd(), dup(1))
    this.#names = Array.from({ length: cpus.boot_vcpus }, (_, index) => `vcpu${index}`)
    if (vsock !== undefined) this.#names.push('_vsock0')
    threads.start(...this.#names)
    for (const { id = 'fs' } of fs) this.add(id, [id])
  }

  /** A device with these threads, which holds these descriptors. */
  add(device: string, names: string[], fds: number[] = []): void {
    this.#devices.set(device, { names, fds })
    this.#threads.start(...names)
  }

  /** A timer was seen of a machine with a card and a disk: here it is the card's. */
  addCard(id: string, pairs: number): void {
    this.add(id, cardThreads(id, pairs), [timerFd()])
  }

  remove(device: string): void {
    const { names = [], fds = [] } = this.#devices.get(device) ?? {}
    this.#threads.end(...names)
    for (const fd of fds) close(fd)
    this.#devices.delete(device)
  }

  end(): void {
    for (const device of [...this.#devices.keys()]) this.remove(device)
    this.#threads.end(...this.#names)
    for (const fd of this.#fds) close(fd)
  }
}

const readOnly = 0
