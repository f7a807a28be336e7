/** The chain of system tools that starts virtiofsd confined. Every value is an argument of its own. */
import { accessSync, constants, readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { findTool, toolDirectories } from '../linux/processes/which.ts'
import { enterPodScore } from '../rootless/jail/oom-score.ts'
import type { ShareDaemonSpec } from './share-daemon.ts'

/** What the daemon keeps, to give files the owners, modes and attributes that the guest asks for. */
const kept = ['chown', 'dac_override', 'fowner', 'setgid', 'setuid', 'mknod']
/** To keep set-id bits when a file is written to, and to give capabilities to programs. */
const forSetId = ['fsetid', 'setfcap']
/** What it needs until its sandbox stands, and gives up then. */
const building = ['sys_admin', 'setpcap']

function boundingSet({ nosuid }: ShareDaemonSpec): string {
  const names = [...kept, ...(nosuid ? [] : forSetId), ...building]
  return `-all,${names.map((name) => `+${name}`).join(',')}`
}

/** How many processes an unprivileged daemon may have; counted for each user, so root's limit is the host's. */
export const maxProcesses = 1024

/** Where the filter of arguments is handed over; closed again before the daemon starts. */
const filterFd = 4

/**
 * Runs in the new user namespace, which has no map yet, and goes on once a line says that it has one. An end of file
 * instead is the end of whoever was to write it.
 */
const waitForMap = `read -r go || exit 1; ulimit -p ${maxProcesses}; exec "$@" </dev/null`
/** The last of the chain before the daemon. */
const closeFilter = `ulimit -c 0; ${enterPodScore}; exec "$@" ${filterFd}<&-`

/**
 * With `ids` the daemon becomes root of a user namespace, and waits for its map and for a line on stdin; without, it
 * is root of the host. Descriptor 3 is its listening socket, 4 the filter of arguments.
 *
 * @throws KataError VIRTIOFSD_MISSING, JAIL_TOOL_MISSING.
 */
export function virtiofsdCommand(spec: ShareDaemonSpec): string[] {
  checkProgram(spec.program)
  const [setpriv, unshare, sh, env] = ['setpriv', 'unshare', 'sh', 'env'].map(tool)
  const enter = ['--user', '--keep-caps', '--ipc', '--uts', '--', sh!, '-c', waitForMap, 'sh']
  const become = ['--reuid', '0', '--regid', '0', '--clear-groups']
  return [
    // A parent that dies meanwhile takes it along; the change of ids clears the signal, so it is set again below.
    ...[setpriv!, '--pdeathsig', 'KILL', '--', unshare!],
    ...(spec.ids === undefined ? ['--ipc', '--uts', '--'] : enter),
    ...[
      setpriv!,
      ...become,
      '--pdeathsig',
      'KILL',
      '--no-new-privs',
      '--inh-caps=-all',
      '--ambient-caps=-all',
    ],
    ...[`--bounding-set=${boundingSet(spec)}`, '--seccomp-filter', `/proc/self/fd/${filterFd}`, '--'],
    ...[sh!, '-c', closeFilter, 'sh', env!, '-i', ...daemon(spec)],
  ]
}

/**
 * `--sandbox namespace`: it makes mount, pid and (empty) network namespaces, pivots into the directory it serves,
 * forks a worker, gives up what it no longer needs and sets its seccomp filter.
 */
function daemon(spec: ShareDaemonSpec): string[] {
  return [
    ...[spec.program, '--fd', '3', '--shared-dir', spec.sharedDir, '--sandbox', 'namespace'],
    ...['--seccomp', 'kill', '--cache', spec.cache, '--announce-submounts', '--log-level', 'warn'],
    // File handles would save descriptors, but opening them takes CAP_DAC_READ_SEARCH, which reaches any file.
    ...['--inode-file-handles=never', `--rlimit-nofile=${descriptorLimit()}`],
    ...(spec.nosuid ? [`--modcaps=${forSetId.map((name) => `-${name}`).join(':')}`] : []),
    // Capabilities of programs are attributes, and containers expect theirs to work. Said twice it is an error.
    ...(spec.extraArgs.includes('--xattr') ? [] : ['--xattr']),
    ...spec.extraArgs,
  ]
}

function checkProgram(path: string): void {
  try {
    accessSync(path, constants.X_OK)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('VIRTIOFSD_MISSING', { path, reason }, { cause })
  }
}

function tool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('JAIL_TOOL_MISSING', { tool: name, directories: toolDirectories.join(', ') })
  return path
}

/** Our own hard limit: each file that the guest knows costs a descriptor, and raising it needs a capability. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? 0)
  return Math.min(hard, 1_000_000)
}
