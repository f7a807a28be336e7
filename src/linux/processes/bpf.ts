/**
 * The assembler of seccomp filters: raw BPF of struct sock_filter, 8 bytes each, as prctl(2) takes and setpriv(1) loads it. See
 * seccomp(2) and <linux/bpf_common.h> for the numbers.
 */

const LD_W_ABS = 0x20
const JMP_JEQ_K = 0x15
const JMP_JGE_K = 0x35
const JMP_JSET_K = 0x45
const RET_K = 0x06

const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
export const [EPERM, ENOSYS, ESOCKTNOSUPPORT, EAFNOSUPPORT] = [1, 38, 94, 97]

/** Offsets in struct seccomp_data; of an argument the lower half, as these flags and families are 32 bits. */
const [nr, arch, firstArgument] = [0, 4, 16]
const AUDIT_ARCH_X86_64 = 0xc000003e
/** Numbers from here on are the x32 interface. */
const x32 = 0x40000000

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
export const newNamespaces = 0x7e020000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_THREAD = 0x10000
export const PR_SET_PDEATHSIG = 1
export const families = { unix: 1, inet: 2, inet6: 10 } as const

export const allow = () => instruction(RET_K, ALLOW)
export const failWith = (errno: number) => instruction(RET_K, 0x00050000 | errno)

/** The start of every filter: another interface to the same kernel ends the process or is not there. */
export const prologue = (): Buffer[] => [
  instruction(LD_W_ABS, arch),
  ...unlessEqual(AUDIT_ARCH_X86_64, [instruction(RET_K, KILL_PROCESS)]),
  instruction(LD_W_ABS, nr),
  instruction(JMP_JGE_K, x32, 0, 1),
  failWith(ENOSYS),
]

/** Where the call has this number, `then`, which has to end in an answer. */
export const onCall = (number: number, then: Buffer[]) => ifEqual(number, then)
/** The same for an argument instead of the number: the first, or the one of that index. */
export const onCallWithArgument = (number: number, then: Buffer[], index = 0) =>
  ifEqual(number, [loadArgument(index), ...then])

/** From here on the argument of that index is what is compared. */
export const loadArgument = (index: number) => instruction(LD_W_ABS, firstArgument + 8 * index)

export const ifEqual = (value: number, then: Buffer[]) => [
  instruction(JMP_JEQ_K, value, 0, then.length),
  ...then,
]
export const ifAnyBit = (bits: number, then: Buffer[]) => [
  instruction(JMP_JSET_K, bits, 0, then.length),
  ...then,
]
export const unlessAnyBit = (bits: number, then: Buffer[]) => [
  instruction(JMP_JSET_K, bits, then.length, 0),
  ...then,
]
const unlessEqual = (value: number, then: Buffer[]) => [
  instruction(JMP_JEQ_K, value, then.length, 0),
  ...then,
]

export function instruction(code: number, k: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(k >>> 0, 4)
  return bytes
}
