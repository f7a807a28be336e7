/** native/qemu.c */
declare module 'double' {
  /** Has the first thread start the QEMU that is linked in, with these descriptors as 3, 4, ...; its pid. */
  export function startQemu(argv: readonly string[], fds: readonly number[]): number
  /** Writes QEMU's firmware files into a directory; their paths. */
  export function writeFirmware(directory: string): string[]
}
