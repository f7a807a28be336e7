/** The C library's encoding of st_rdev (makedev(3)); majors of Linux have twelve bits, minors twenty. Pure. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) }
}
