/** The chain of system tools that turns a plan into a confined process. Every value is an argument of its own. */
import { readFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { landlockAbi } from '../../linux/processes/landlock.ts'
import { filterPath } from '../filters/syscall-filter.ts'
import type { JailPlan, LandlockRule } from './jail-plan.ts'
import type { JailRoot } from './jail-root.ts'
import { jailShell, jailTool as tool } from './jail-tools.ts'
import type { LaunchSpec } from './launch-spec.ts'
import { enterPodScore } from './oom-score.ts'
import { waiterScript } from './waiter.ts'

/**
 * Limits that every confined process gets, soft and hard: guest memory must not reach a core file, and a VMM that was
 * taken over must not fill the host's process table (counted per uid; it shares its uid with no other sandbox).
 */
export const jailLimits = { core: 0, nofile: 1024, nproc: 1024 } as const

/**
 * Runs as root in the new namespaces. Each step names itself on stderr before it starts, so that the last name is
 * the step that failed. stderr becomes the program's output only at the very end.
 */
const script = (output: string, limits: string, mountBy: string) => `
set -eu
root=$1 fstab=$2 mount=$3 pivot_root=$4 umount=$5
shift 5
step() { printf 'jail-step %s\\n' "$1" >&2; }
step limits; ulimit -c ${jailLimits.core}; ulimit -n ${jailLimits.nofile}; ulimit -p ${jailLimits.nproc}${limits}
step oom_score; ${enterPodScore}
step hostname; echo kata > /proc/sys/kernel/hostname
step mount; cd "$root/.."; ${mountBy}"$mount" -n -a -T "$fstab"
step pivot_root; cd "$root"; "$pivot_root" . old; cd /
step detach; "/old$umount" -n -l /old /proc
# The shell exports where it is.
unset PWD OLDPWD
step confine; exec "$@" ${output}
`

/** A single digit, because the shell takes only that for a descriptor. */
const mostDescriptors = 9

/**
 * The program's streams as redirections of the shell: stderr goes to the former stdout, and stdout to the
 * descriptor after those handed over, if it has one of its own.
 */
function redirections(spec: Pick<LaunchSpec, 'program' | 'fds' | 'stdout'>): string {
  if (spec.stdout === undefined) return '2>&1'
  const fd = 3 + spec.fds.length
  if (fd <= mostDescriptors) return `2>&1 1>&${fd} ${fd}>&-`
  throw new KataError('JAIL_SPEC_INVALID', {
    program: spec.program,
    reason: `it has ${spec.fds.length} descriptors beside one for stdout`,
  })
}

/** In the shell's units: KiB for memory, 512 bytes for files. */
function ownLimits({
  lockedMemoryMiB,
  addressSpaceMiB,
  fileSizeMiB,
}: Pick<LaunchSpec, 'lockedMemoryMiB' | 'addressSpaceMiB' | 'fileSizeMiB'>): string {
  const limit = (option: string, mib: number | undefined, perMiB: number) =>
    mib === undefined ? '' : `; ulimit -${option} ${mib * perMiB}`
  return [
    limit('l', lockedMemoryMiB, 1024),
    limit('v', addressSpaceMiB, 1024),
    limit('f', fileSizeMiB, 2048),
  ].join('')
}

/** What libmount reads: fsconfig(2), its default, takes 256 characters of one option, mount(2) a page of all. */
const byMount2 = ({ tree }: Pick<LaunchSpec, 'tree'>): string =>
  (tree?.layers.length ?? 0) > 1 ? 'LIBMOUNT_FORCE_MOUNT2=always ' : ''

/** The line with which the script announces a step. */
export const stepMarker = /^jail-step (\w+)$/

/** @throws KataError JAIL_TOOL_MISSING, JAIL_SPEC_INVALID. */
export function jailCommand(plan: JailPlan, jail: JailRoot, spec: LaunchSpec): string[] {
  const { args } = spec
  const setpriv = tool('setpriv')
  return [
    // A parent that dies during the set-up takes the child along; the change of uid clears the signal, so setpriv
    // sets it again at the end.
    ...[setpriv, '--pdeathsig', 'KILL', '--'],
    ...[tool('unshare'), '--mount', '--ipc', '--uts', '--net', '--propagation', 'private', '--'],
    ...[
      tool(jailShell),
      '-c',
      script(redirections(spec), ownLimits(spec), byMount2(spec)),
      'sh',
      jail.root,
      jail.fstab,
      tool('mount'),
      tool('pivot_root'),
      tool('umount'),
    ],
    // Only its children are in the new namespace, and the first of them is the program.
    ...[tool('unshare'), '--pid', '--', setpriv, ...privileges(spec), '--'],
    ...[tool('bash'), '-c', waiterScript(spec), 'sh'],
    // Before the filter, which refuses to change it.
    ...[setpriv, '--pdeathsig', 'KILL', '--', tool('env'), '-i'],
    ...[setpriv, '--seccomp-filter', filterPath, ...landlock(setpriv, plan.rules), '--'],
    ...[plan.program, ...args],
  ]
}

function privileges({ identity: { uid, gid, groups }, capabilities = [] }: LaunchSpec): string[] {
  const kept = ['-all', ...capabilities.map((name) => `+${name}`)].join(',')
  return [
    ...['--reuid', `${uid}`, '--regid', `${gid}`],
    ...(groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]),
    ...[`--inh-caps=${kept}`, `--ambient-caps=${kept}`, `--bounding-set=${kept}`],
    ...['--no-new-privs', '--pdeathsig', 'KILL'],
  ]
}

/** Nothing when the kernel has no Landlock or setpriv is older than its Landlock options; landlock.ts says who accepts that. */
function landlock(setpriv: string, rules: readonly LandlockRule[]): string[] {
  const abi = landlockAbi()
  if (abi < 1 || !setprivHasLandlock(setpriv)) return []
  const handled = handledAccesses(abi)
  const known = (accesses: readonly string[]) =>
    accesses.filter((access) => handled.includes(access)).join(',')
  return [
    ...['--landlock-access', `fs:${handled.join(',')}`],
    ...rules.flatMap(({ path, accesses }) => ['--landlock-rule', `path-beneath:${known(accesses)}:${path}`]),
  ]
}

/** File accesses by the ABI that brought them (landlock(7)). */
function handledAccesses(abi: number): string[] {
  return [
    ...['execute', 'write-file', 'read-file', 'read-dir', 'remove-dir', 'remove-file'],
    ...['make-char', 'make-dir', 'make-reg', 'make-sock', 'make-fifo', 'make-block', 'make-sym'],
    ...(abi >= 2 ? ['refer'] : []),
    ...(abi >= 3 ? ['truncate'] : []),
  ]
}

/** Looks for the option's name in the program, which takes a tenth of the time that asking it for --help takes. */
function setprivHasLandlock(setpriv: string): boolean {
  return readFileSync(setpriv).includes('landlock-access')
}
