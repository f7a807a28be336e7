/** libseccomp, of which Debian's QEMU needs the same library: from rules about system calls to a filter of the kernel's. */
import { dlopen, type Pointer, ptr } from 'bun:ffi'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { checked, errnoName, libc } from './libc.ts'

const SYS_memfd_create = 319
const MFD_CLOEXEC = 1
const SCMP_FLTATR_CTL_OPTIMIZE = 8
/** A tree over the numbers, instead of one comparison for each rule. */
const binaryTree = 2
const EEXIST = 17
/** struct scmp_arg_cmp: number of the argument, comparison, two operands. */
const argBytes = 24

/** A condition of a rule; `op` is an enum scmp_compare. */
export interface FilterArg {
  readonly index: number
  readonly op: number
  readonly a: bigint
  readonly b: bigint
}

/** One rule; all conditions have to hold. `action` is SCMP_ACT_*, as the kernel has it. */
export interface FilterRule {
  readonly call: string
  readonly action: number
  readonly args: readonly FilterArg[]
  /** Whether the filter would be wrong without it, should this libseccomp not know the call. Default false. */
  readonly isNeeded?: boolean
}

export interface FilterRules {
  readonly defaultAction: number
  /** As libseccomp names them, such as `x86_64`; that of this machine is always there. */
  readonly architectures: readonly string[]
  readonly rules: readonly FilterRule[]
}

type Library = ReturnType<typeof load>
let library: Library | undefined

function load() {
  return dlopen('libseccomp.so.2', {
    seccomp_init: { args: ['u32'], returns: 'ptr' },
    seccomp_release: { args: ['ptr'], returns: 'void' },
    seccomp_arch_resolve_name: { args: ['cstring'], returns: 'u32' },
    seccomp_arch_add: { args: ['ptr', 'u32'], returns: 'i32' },
    seccomp_attr_set: { args: ['ptr', 'i32', 'u32'], returns: 'i32' },
    seccomp_syscall_resolve_name: { args: ['cstring'], returns: 'i32' },
    seccomp_rule_add_array: { args: ['ptr', 'u32', 'i32', 'u32', 'ptr'], returns: 'i32' },
    seccomp_export_bpf: { args: ['ptr', 'i32'], returns: 'i32' },
  }).symbols
}

/**
 * Compiles the rules to instructions (struct sock_filter[]). A call that this libseccomp does not know is left out, as OCI
 * runtimes do, unless its rule is needed.
 *
 * @throws Error with the reason: no such library, an unknown architecture or needed call, or rules that it refuses.
 */
export function compileFilter(rules: FilterRules): Buffer {
  library ??= load()
  const lib = library
  const filter = lib.seccomp_init(rules.defaultAction) as Pointer | null
  if (filter === null) throw new Error(`no default action ${rules.defaultAction}`)
  try {
    addArchitectures(lib, filter, rules.architectures)
    accepted(lib.seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, binaryTree), 'a tree')
    for (const rule of rules.rules) addRule(lib, filter, rule)
    return exportFilter(lib, filter)
  } finally {
    lib.seccomp_release(filter)
  }
}

function addArchitectures(lib: Library, filter: Pointer, names: readonly string[]): void {
  for (const name of names) {
    const token = lib.seccomp_arch_resolve_name(text(name))
    if (token === 0) throw new Error(`unknown architecture ${name}`)
    const result = lib.seccomp_arch_add(filter, token)
    if (result !== -EEXIST) accepted(result, name)
  }
}

function addRule(lib: Library, filter: Pointer, { call, action, args, isNeeded }: FilterRule): void {
  const number = lib.seccomp_syscall_resolve_name(text(call))
  if (number === -1 && isNeeded) throw new Error(`unknown call ${call}`)
  if (number === -1) return
  const conditions = Buffer.alloc(Math.max(args.length, 1) * argBytes)
  for (const [at, { index, op, a, b }] of args.entries()) {
    conditions.writeUInt32LE(index, at * argBytes)
    conditions.writeUInt32LE(op, at * argBytes + 4)
    conditions.writeBigUInt64LE(a, at * argBytes + 8)
    conditions.writeBigUInt64LE(b, at * argBytes + 16)
  }
  const result = lib.seccomp_rule_add_array(filter, action, number, args.length, ptr(conditions))
  // The same rule twice is the same rule.
  if (result !== -EEXIST) accepted(result, call)
}

function exportFilter(lib: Library, filter: Pointer): Buffer {
  const fd = checked(
    libc.syscall(SYS_memfd_create, Number(ptr(text('seccomp'))), MFD_CLOEXEC, 0, 0, 0, 0),
    'memfd_create',
  )
  try {
    accepted(lib.seccomp_export_bpf(filter, fd), 'the whole')
    const instructions = Buffer.alloc(fstatSync(fd).size)
    readSync(fd, instructions, 0, instructions.length, 0)
    return instructions
  } finally {
    closeSync(fd)
  }
}

function accepted(result: number, what: string): void {
  if (result < 0) throw new Error(`libseccomp refuses ${what}: ${errnoName(-result)}`)
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)
