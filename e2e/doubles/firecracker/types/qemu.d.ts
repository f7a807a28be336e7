/** native/qemu.c and native/likeness.c */
declare module 'double' {
  /** The descriptor that takes the command of QEMU, once; the caller closes it. */
  export function qemuStarter(): number
  /** How fast the time stamp counter runs. */
  export function tscKilohertz(): number
  /** Threads for so many processors, and the first thread's filter: all are there when it returns. */
  export function startProcessors(count: number): void
  /** Has KVM make a machine with so many processors, which stays open and never runs. */
  export function makeMachine(kvm: number, processors: number): void
  /** Opens what the real program has for events and timers. */
  export function keepEvents(): void
  /** Names the calling thread. */
  export function nameThread(name: string): void
}
