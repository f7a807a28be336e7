/** Starts a container's name server in its gateway, as the user of the network and not of the host. */
import { chmodSync, closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { ownPrefix } from '../../linux/processes/own-program.ts'
import { type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { resolverFilter } from '../../rootless/filters/network-filter.ts'
import { exitOf } from '../../rootless/jail/exit-of.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { jailShell } from '../../rootless/jail/jail-tools.ts'
import { enterPodScore } from '../../rootless/jail/oom-score.ts'
import type { Launched, Launcher } from '../../rootless/launcher.ts'
import { inArguments } from './long-text.ts'
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
const limited = `${enterPodScore}; ulimit -c ${jailLimits.core}; ulimit -p ${jailLimits.nproc}; unset PWD OLDPWD; exec "$@"`

/** The reader has no rights on the host: the descriptor gets it past the directory, the file's mode lets it read. */
function openFilter(path: string): number {
  writeFileSync(path, resolverFilter())
  chmodSync(path, 0o444)
  const fd = openSync(path, 'r')
  unlinkSync(path)
  return fd
}

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_START_FAILED with what it said. */
export function resolverLauncher(
  { uid, stateDir }: { readonly uid: number; readonly stateDir: string },
  gateway: ProcessRef,
  { members, ...settings }: ResolverSettings,
  { executable, prefix }: OwnProgram,
): Launcher<Launched> {
  return async ({ signal }, known) => {
    // A name server that does not start is tried again for as long as its container runs: a descriptor that stays would be one more each time.
    using opened = new DisposableStack()
    const held = (fd: number): number => opened.adopt(fd, closeSync)
    // Directories above them may be closed to that user.
    const program = held(openSync(executable, 'r'))
    const filter = held(openFilter(`${stateDir}/resolver.filter`))
    const directory = members === undefined ? [] : [held(openSync(members, 'r'))]
    const told = { ...settings, ...(members === undefined ? {} : { members: inChild.directory }) }
    const child = Bun.spawn({
      cmd: [
        ...[...enterGateway(uid, gateway), inChild.program, ...prefix],
        ...[resolverWord, ...inArguments(JSON.stringify(told))],
      ],
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', program, filter, ...directory],
    })
    opened.dispose()
    const ref = processRef(child.pid)
    if (ref !== undefined) known(ref)
    const { found } = await whenReady(child, { word: 'ready', signal, find: () => ref })
    return { ref: found, exited: exitOf(child), companions: [] }
  }
}

/** Where the child has what it gets as descriptors behind the standard ones. */
const inChild = {
  program: '/proc/self/fd/3',
  filter: '/proc/self/fd/4',
  directory: '/proc/self/fd/5',
} as const

/** Runs what follows as the network's user on the host, and in the gateway with two rights over that network. */
function enterGateway(uid: number, gateway: ProcessRef): string[] {
  const setpriv = networkTool('setpriv')
  const namespaces = `/proc/${gateway.pid}/ns`
  const enter = [`--user=${namespaces}/user`, `--net=${namespaces}/net`, '--preserve-credentials', '--']
  return [
    ...[networkTool(jailShell), '-c', limited, 'sh'],
    ...[setpriv, '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--no-new-privs'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--'],
    ...[networkTool('nsenter'), ...enter],
    ...[
      setpriv,
      '--bounding-set=-all,+net_admin,+net_bind_service',
      '--seccomp-filter',
      inChild.filter,
      '--',
    ],
  ]
}
