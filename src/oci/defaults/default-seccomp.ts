/**
 * The seccomp profile of a container that asks for none: what is not named here fails with EPERM. The choice of
 * calls is the one users know from docker, for a container without added capabilities: nothing that mounts, loads
 * code into the kernel, traces other users' processes, changes clocks or makes namespaces. The calls themselves are data
 * (seccomp-calls.ts), each group with its reason.
 */
import type { OciSeccomp, OciSyscall } from '../seccomp.ts'
import { everyContainer, withCapabilities } from './seccomp-calls.ts'

/** A whole profile, as we make and read them. */
export interface SeccompProfile extends OciSeccomp {
  readonly architectures: readonly string[]
  readonly syscalls: readonly OciSyscall[]
}

const allowed = everyContainer.flatMap(({ calls }) => calls)

/** Linux on these machine words; 32-bit programs run on 64-bit kernels. */
const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

const EPERM = 1
const ENOSYS = 38
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const cloneNamespaces = 0x7e020000
/**
 * The families of sockets, 0 to 63, but for two. The guest's vsock (40) reaches the host, where a container has no business. AF_ALG (38) is the kernel's
 * cryptography, which every process could reach, and by which some became root (CVE-2026-31431). Each row is a block of numbers: its first, and
 * the bits that are the same in all. The kernel takes the lower half of a register, so the upper half must not matter.
 *
 * As in moby's and containerd's profiles this says nothing of 32-bit programs: a filter cannot look into the arguments of socketcall, and the C library
 * of Debian and Fedora makes their sockets by it alone.
 */
const families: readonly (readonly [first: number, mask: number])[] = [
  [0, 0xffffffe0],
  [32, 0xfffffffc],
  [36, 0xfffffffe],
  [39, 0xffffffff],
  [41, 0xffffffff],
  [42, 0xfffffffe],
  [44, 0xfffffffc],
  [48, 0xfffffff0],
]
/** personality(2): Linux, 32-bit, UNAME26, both, and the question. */
const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff]

/** `arch` is Node's name of the machine; `capabilities` are those that the container may have. */
export function defaultSeccomp({
  arch = process.arch,
  capabilities = [],
}: {
  arch?: string
  capabilities?: readonly string[]
} = {}): SeccompProfile {
  const more = [
    ...new Set(
      withCapabilities.flatMap(({ capability, calls }) => (capabilities.includes(capability) ? calls : [])),
    ),
  ]

  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: architectures[arch] ?? [],
    syscalls: [
      { names: allowed, action: 'SCMP_ACT_ALLOW' },
      ...personalities.map((value) => ({
        names: ['personality'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
      })),
      ...families.map(([first, mask]) => ({
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: mask, valueTwo: first, op: 'SCMP_CMP_MASKED_EQ' }],
      })),
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: cloneNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      // A filter cannot look into clone3's structure; with ENOSYS the C library falls back to clone.
      ...(more.includes('clone3') ? [] : [{ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }]),
      ...(more.length === 0 ? [] : [{ names: more, action: 'SCMP_ACT_ALLOW' }]),
    ],
  }
}
