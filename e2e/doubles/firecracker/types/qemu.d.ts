/** native/qemu.c */
declare module 'double' {
  /** The descriptor that takes the command of QEMU, once, and the pid that QEMU will have. */
  export function qemuStarter(): [commands: number, pid: number]
  /** How fast the time stamp counter runs. */
  export function tscKilohertz(): number
}
