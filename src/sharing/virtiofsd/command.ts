/** The chain of system tools that starts virtiofsd confined. Every value is an argument of its own. */
import { accessSync, constants } from 'node:fs'
import { KataError } from '../../errors.ts'
import { ownDescriptorRights } from '../../linux/processes/descriptor-limit.ts'
import { jailShell, jailTool } from '../../rootless/jail/jail-tools.ts'
import { enterPodScore } from '../../rootless/jail/oom-score.ts'
import type { ShareDaemonSpec } from './share-daemon.ts'

/** Capabilities that the daemon keeps, to give files the owners, modes and attributes that the guest asks for. */
const kept = ['chown', 'dac_override', 'fowner', 'setgid', 'setuid', 'mknod']
/** Capabilities to keep set-id bits of a written file, and to give capabilities to programs. */
const forSetId = ['fsetid', 'setfcap']
/** Capabilities that it needs to set up its sandbox, and gives up then. */
const building = ['sys_admin', 'setpcap']

function boundingSet({ nosuid }: ShareDaemonSpec): string {
  const names = [...kept, ...(nosuid ? [] : forSetId), ...building]
  return `-all,${names.map((name) => `+${name}`).join(',')}`
}

/** Most processes of an unprivileged daemon. The kernel counts for each user, so a daemon as root has the host's limit. */
export const maxProcesses = 1024

/** Descriptor of the argument filter; closed before the daemon starts. */
const filterFd = 4

/**
 * Runs in the new user namespace, which has no map yet, and goes on once a line says that the map is written. An end of file means
 * that the writer of the map has died.
 */
const waitForMap = `read -r go || exit 1; ulimit -p ${maxProcesses}; exec "$@" </dev/null`
/** The last tool of the chain before the daemon. */
const closeFilter = `ulimit -c 0; ${enterPodScore}; exec "$@" ${filterFd}<&-`

/**
 * With `ids` the daemon becomes root of a user namespace, and waits for its map and a line on stdin. Without `ids` it is root of the
 * host. Descriptor 3 is its listening socket, descriptor 4 the argument filter.
 *
 * @throws KataError VIRTIOFSD_MISSING, JAIL_TOOL_MISSING.
 */
export function virtiofsdCommand(spec: ShareDaemonSpec): string[] {
  checkProgram(spec.program)
  const [setpriv, unshare, sh, env] = ['setpriv', 'unshare', jailShell, 'env'].map(jailTool)
  const enter = ['--user', '--keep-caps', '--ipc', '--uts', '--', sh!, '-c', waitForMap, 'sh']
  const become = ['--reuid', '0', '--regid', '0', '--clear-groups']
  return [
    // It dies with its parent. The change of ids clears that setting, so it is set again below.
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
 * `--sandbox namespace`: the daemon makes mount, pid and (empty) network namespaces, pivots into the directory that it serves, forks a
 * worker, gives up capabilities that it no longer needs, and sets its seccomp filter.
 */
function daemon(spec: ShareDaemonSpec): string[] {
  return [
    ...[spec.program, '--fd', '3', '--shared-dir', spec.sharedDir, '--sandbox', 'namespace'],
    ...['--seccomp', 'kill', '--cache', spec.cache, '--announce-submounts', '--log-level', 'warn'],
    // File handles would save descriptors, but opening them takes CAP_DAC_READ_SEARCH, which reaches any file.
    ...['--inode-file-handles=never', `--rlimit-nofile=${descriptorLimit()}`],
    ...(spec.nosuid ? [`--modcaps=${forSetId.map((name) => `-${name}`).join(':')}`] : []),
    // Capabilities of programs are extended attributes, and containers expect theirs to work. The option twice is an error.
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

/** The most that a daemon gets: each file that the guest knows costs one. */
export const mostDescriptors = 1_000_000

/** What it gets: our own hard limit, which `start` of the shim has raised, up to {@link mostDescriptors}. */
export function descriptorLimit(): number {
  return Math.min(ownDescriptorRights().hard, mostDescriptors)
}
