/**
 * The seccomp filter for what enosys(1) cannot say, because it depends on arguments: no namespaces by clone(2), no
 * user namespace at all, and
 * sockets of few families only. AF_VSOCK above all, which no network namespace confines and which leads to other
 * guests. Raw BPF as setpriv(1) loads it; see seccomp(2) and <linux/bpf_common.h> for the numbers.
 */

/** Where setpriv finds it once the root is the jail's. */
export const filterPath = '/filter'

const LD_W_ABS = 0x20
const JMP_JEQ_K = 0x15
const JMP_JGE_K = 0x35
const JMP_JSET_K = 0x45
const RET_K = 0x06

const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const failWith = (errno: number) => 0x00050000 | errno
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]

/** Offsets in struct seccomp_data; of an argument the lower half, as these flags and families are 32 bits. */
const [nr, arch, firstArgument, secondArgument, thirdArgument, fourthArgument] = [0, 4, 16, 24, 32, 40]

const AUDIT_ARCH_X86_64 = 0xc000003e
/** Numbers from here on are the x32 interface. */
const x32 = 0x40000000
const [SYS_socket, SYS_clone, SYS_unshare, SYS_clone3] = [41, 56, 272, 435]
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const newNamespaces = 0x7e020000
const newUser = 0x10000000
/** AF_UNIX, AF_INET and AF_INET6: those are confined by the network namespace, or by file permissions. */
const families = [1, 2, 10]

/** S_ISUID and S_ISGID. */
const setIdBits = 0o6000
/** O_CREAT and what makes O_TMPFILE of O_DIRECTORY: only with these the mode counts. */
const creating = 0o20000100
/** The calls that give a file a mode, and the argument that is the mode. */
const modeCalls: readonly (readonly [call: number, argument: number])[] = [
  ...[85, 90, 91, 133].map((call) => [call, secondArgument] as const), // creat, chmod, fchmod, mknod
  ...[259, 268, 452].map((call) => [call, thirdArgument] as const), // mknodat, fchmodat, fchmodat2
]
/** open and openat: where their flags are, and their mode. */
const openCalls = [
  [2, secondArgument, thirdArgument],
  [257, thirdArgument, fourthArgument],
] as const
/** openat2 and io_uring_setup open files by what lies in memory. */
const unseenCalls = [437, 425]

/** The filter as `setpriv --seccomp-filter` reads it: struct sock_filter, 8 bytes each. */
export function argumentFilter(): Buffer {
  return filterOf([])
}

/** The same, and no file gets a set-user-id or set-group-id bit. */
export function setIdFilter(): Buffer {
  const refused = [instruction(JMP_JSET_K, setIdBits, 0, 1), answer(failWith(EPERM)), answer(ALLOW)]
  return filterOf([
    ...modeCalls.flatMap(([call, mode]) => ifEqual(call, [load(mode), ...refused])),
    ...openCalls.flatMap(([call, flags, mode]) =>
      ifEqual(call, [
        ...[load(flags), instruction(JMP_JSET_K, creating, 1, 0), answer(ALLOW)],
        ...[load(mode), ...refused],
      ]),
    ),
    ...unseenCalls.flatMap((call) => ifEqual(call, [answer(failWith(ENOSYS))])),
  ])
}

/** `more` finds the number of the call loaded, and must leave it so for calls that it does not answer. */
function filterOf(more: readonly Buffer[]): Buffer {
  return Buffer.concat([
    load(arch),
    ...unlessEqual(AUDIT_ARCH_X86_64, [answer(KILL_PROCESS)]),
    load(nr),
    instruction(JMP_JGE_K, x32, 0, 1),
    answer(failWith(ENOSYS)),
    ...more,
    // The flags of clone3 lie in memory, out of a filter's sight; glibc takes clone instead.
    ...ifEqual(SYS_clone3, [answer(failWith(ENOSYS))]),
    ...ifEqual(SYS_clone, [
      load(firstArgument),
      instruction(JMP_JSET_K, newNamespaces, 0, 1),
      answer(failWith(EPERM)),
      answer(ALLOW),
    ]),
    // virtiofsd makes the other namespaces of its sandbox itself; a new user gets no further than one of those.
    ...ifEqual(SYS_unshare, [
      load(firstArgument),
      instruction(JMP_JSET_K, newUser, 0, 1),
      answer(failWith(ENOSYS)),
      answer(ALLOW),
    ]),
    ...ifEqual(SYS_socket, [
      load(firstArgument),
      ...families.flatMap((family) => ifEqual(family, [answer(ALLOW)])),
      answer(failWith(EAFNOSUPPORT)),
    ]),
    answer(ALLOW),
  ])
}

const load = (offset: number) => instruction(LD_W_ABS, offset)
const answer = (action: number) => instruction(RET_K, action)
const ifEqual = (value: number, then: Buffer[]) => [instruction(JMP_JEQ_K, value, 0, then.length), ...then]
const unlessEqual = (value: number, then: Buffer[]) => [
  instruction(JMP_JEQ_K, value, then.length, 0),
  ...then,
]

function instruction(code: number, k: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(k, 4)
  return bytes
}
