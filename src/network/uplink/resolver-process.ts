/** Starts a container's name server in its gateway, as the user of the network and not of the host. */
import { chmodSync, closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { ownPrefix } from '../../linux/processes/own-program.ts'
import { type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { networkFilter } from '../../rootless/filters/network-filter.ts'
import { exitOf } from '../../rootless/jail/exit-of.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { jailShell } from '../../rootless/jail/jail-tools.ts'
import type { Launched, Launcher } from '../../rootless/launcher.ts'
import type { ResolverSettings } from './resolver-main.ts'
import { resolverWord } from './resolver-word.ts'
import { networkTool } from './tools.ts'
import { whenReady } from './when-ready.ts'

/** This very program: the executable, and the script that it runs from source. */
export interface OwnProgram {
  readonly executable: string
  readonly prefix: readonly string[]
}

export const ownProgram = (): OwnProgram => ({ executable: process.execPath, prefix: ownPrefix(Bun.main) })

/** What the shell exports goes again. */
const limited = `ulimit -c ${jailLimits.core}; ulimit -p ${jailLimits.nproc}; unset PWD OLDPWD; exec "$@"`

/** The reader has no rights on the host: the descriptor gets it past the directory, the file's mode lets it read. */
function openFilter(path: string): number {
  writeFileSync(path, networkFilter())
  chmodSync(path, 0o444)
  const fd = openSync(path, 'r')
  unlinkSync(path)
  return fd
}

/** @throws KataError NETWORK_START_FAILED with what it said. */
export function resolverLauncher(
  { uid, stateDir }: { readonly uid: number; readonly stateDir: string },
  gateway: ProcessRef,
  { members, ...settings }: ResolverSettings,
  { executable, prefix }: OwnProgram,
): Launcher<Launched> {
  return async ({ signal }, known) => {
    // Directories above them may be closed to that user.
    const program = openSync(executable, 'r')
    const filter = openFilter(`${stateDir}/resolver.filter`)
    const directory = members === undefined ? undefined : openSync(members, 'r')
    const told = { ...settings, ...(directory === undefined ? {} : { members: '/proc/self/fd/5' }) }
    const setpriv = networkTool('setpriv')
    const namespaces = `/proc/${gateway.pid}/ns`
    const child = Bun.spawn({
      cmd: [
        ...[networkTool(jailShell), '-c', limited, 'sh'],
        ...[setpriv, '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--no-new-privs'],
        ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--'],
        ...[
          networkTool('nsenter'),
          `--user=${namespaces}/user`,
          `--net=${namespaces}/net`,
          '--preserve-credentials',
          '--',
        ],
        ...[setpriv, '--bounding-set=-all,+net_admin,+net_bind_service'],
        ...['--seccomp-filter', '/proc/self/fd/4', '--'],
        ...['/proc/self/fd/3', ...prefix, resolverWord, JSON.stringify(told)],
      ],
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', program, filter, ...(directory === undefined ? [] : [directory])],
    })
    for (const fd of [program, filter]) closeSync(fd)
    if (directory !== undefined) closeSync(directory)
    const ref = processRef(child.pid)
    if (ref !== undefined) known(ref)
    const { found } = await whenReady(child, { word: 'ready', signal, find: () => ref })
    return { ref: found, exited: exitOf(child), companions: [] }
  }
}
