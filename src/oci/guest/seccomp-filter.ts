/**
 * A container's seccomp profile, compiled on the host. In the guest crun takes 70 to 100 ms for it under TCG, for each machine
 * anew; here it takes a few. The profile goes to the guest as well, and what cannot be compiled here is left to crun.
 */
import { compileFilter, type FilterArg, type FilterRule } from '../../linux/libseccomp.ts'
import type { OciSeccomp, OciSyscall, OciSyscallArg } from '../seccomp.ts'

/** SCMP_ACT_* of libseccomp; the low 16 bits of some are a number of their own. SCMP_ACT_NOTIFY needs a listener, and is not here. */
const actions: ReadonlyMap<string, number> = new Map([
  ['SCMP_ACT_KILL', 0],
  ['SCMP_ACT_KILL_THREAD', 0],
  ['SCMP_ACT_KILL_PROCESS', 0x80000000],
  ['SCMP_ACT_TRAP', 0x00030000],
  ['SCMP_ACT_ERRNO', 0x00050000],
  ['SCMP_ACT_TRACE', 0x7ff00000],
  ['SCMP_ACT_LOG', 0x7ffc0000],
  ['SCMP_ACT_ALLOW', 0x7fff0000],
])
/** Actions with a number; it is EPERM where none is given. */
const numbered = ['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']
const EPERM = 1
/** Actions that let a call pass. */
const passing = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG']

/** enum scmp_compare. */
const comparisons: ReadonlyMap<string, number> = new Map([
  ['SCMP_CMP_NE', 1],
  ['SCMP_CMP_LT', 2],
  ['SCMP_CMP_LE', 3],
  ['SCMP_CMP_EQ', 4],
  ['SCMP_CMP_GE', 5],
  ['SCMP_CMP_GT', 6],
  ['SCMP_CMP_MASKED_EQ', 7],
])

/**
 * The filter's instructions; undefined for a profile that is left to crun: with flags, a listener, or what libseccomp refuses. So is one that
 * allows all calls but some, of which this host's libseccomp does not know one: the guest's kernel may have it, as it may be newer than the host.
 */
export function compileSeccomp(profile: OciSeccomp): Buffer | undefined {
  const { defaultAction, defaultErrnoRet, architectures = [], flags = [], syscalls = [] } = profile
  if (flags.length > 0) return undefined
  try {
    return compileFilter({
      defaultAction: actionOf(defaultAction, defaultErrnoRet),
      architectures: architectures.map((name) => name.replace(/^SCMP_ARCH_/, '').toLowerCase()),
      rules: syscalls.flatMap((group) => rulesOf(group, profile)),
    })
  } catch {
    // crun says what is wrong with the profile, or has a newer libseccomp.
    return undefined
  }
}

/** A rule that only says what is so anyway would be refused. */
function rulesOf(
  { names, action, errnoRet, args = [] }: OciSyscall,
  { defaultAction, defaultErrnoRet }: OciSeccomp,
): FilterRule[] {
  const value = actionOf(action, errnoRet)
  if (value === actionOf(defaultAction, defaultErrnoRet)) return []
  const isNeeded = passing.includes(defaultAction) && !passing.includes(action)
  return names.flatMap((call) => conditionsOf(args).map((args) => ({ call, action: value, args, isNeeded })))
}

/** Several conditions for one argument are alternatives, as runc and crun read the specification. */
function conditionsOf(args: readonly OciSyscallArg[]): readonly (readonly FilterArg[])[] {
  const conditions = args.map(({ index, op, value, valueTwo = 0 }): FilterArg => {
    const comparison = comparisons.get(op)
    if (comparison === undefined) throw new Error(`unknown comparison ${op}`)
    return { index, op: comparison, a: BigInt(value), b: BigInt(valueTwo) }
  })
  const isAlternative = new Set(args.map(({ index }) => index)).size < args.length
  return isAlternative ? conditions.map((condition) => [condition]) : [conditions]
}

function actionOf(name: string, number: number | undefined): number {
  const action = actions.get(name)
  if (action === undefined) throw new Error(`unknown action ${name}`)
  return numbered.includes(name) ? action + ((number ?? EPERM) & 0xffff) : action
}
