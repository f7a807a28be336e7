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
const AF_VSOCK = 40
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
      {
        /**
         * The guest's vsock reaches the host; a container has no business there. As in moby's profile this says nothing of 32-bit programs:
         * a filter cannot look into the arguments of socketcall, and the C library of Debian and Fedora makes their sockets by it alone.
         */
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }],
      },
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
