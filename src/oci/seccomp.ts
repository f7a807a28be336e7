/** `linux.seccomp` of the OCI runtime specification (config-linux.md, "Seccomp"), and its reader. */
import { list, needed, record } from '../json/compounds.ts'
import { exactUint64, text, uint32 } from '../json/values.ts'

export interface OciSeccomp {
  /** Such as SCMP_ACT_ERRNO: what becomes of a call that no rule names. */
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly architectures?: readonly string[]
  readonly flags?: readonly string[]
  readonly syscalls?: readonly OciSyscall[]
}

export interface OciSyscall {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly OciSyscallArg[]
}

export interface OciSyscallArg {
  readonly index: number
  readonly value: number
  /** For SCMP_CMP_MASKED_EQ. */
  readonly valueTwo?: number
  /** Such as SCMP_CMP_EQ. */
  readonly op: string
}

export const syscallArgReader = () =>
  record<OciSyscallArg>({
    index: needed(uint32),
    value: needed(exactUint64),
    valueTwo: exactUint64,
    op: needed(text),
  })

export const seccompReader = () =>
  record<OciSeccomp>({
    defaultAction: needed(text),
    defaultErrnoRet: uint32,
    architectures: list(text),
    flags: list(text),
    syscalls: list(
      record<OciSyscall>({
        names: needed(list(text)),
        action: needed(text),
        errnoRet: uint32,
        args: list(syscallArgReader()),
      }),
    ),
  })
