/** `kata-ts service`: the command line for users who are not root, and (not shown in the help) the process that serves one of them. */
import type { Command } from 'commander'
import { action, type Cli, describe, rootAction } from './command.ts'

export interface ServiceFlags {
  readonly socket?: string
  readonly group: string
  readonly commands: string
}

export function serviceCommand(cli: Cli): Command {
  const command = describe({
    usage: 'service',
    summary: 'let members of a group use the command line without being root',
    example: 'service --group kata-ts',
  })
    .option(
      '--socket <path>',
      'the socket, unless systemd hands one over (default: service.sock in --run-dir)',
    )
    .option('--group <name>', 'group whose members may connect', 'kata-ts')
    .option('--commands <n>', 'how many commands one user may run at the same time', '32')
  return rootAction<ServiceFlags>(command, cli, async (settings, flags) => {
    const { service } = await import('../service/service.ts')
    return service(settings, flags)
  })
}

/** `table` makes a command table whose commands do nothing. */
export function serviceWorkerCommand(cli: Cli, table: () => Command): Command {
  const command = describe({
    usage: 'service-worker <gid> <pid> [group]',
    summary: 'run one command for a user',
    example: 'service-worker 990 4711 kata-ts',
  })
  return action(command, cli, async (settings, _flags, [gid = '', pid = '', group = gid]) => {
    const { worker } = await import('../service/worker.ts')
    return worker(settings, { gid: Number(gid), group, servicePid: Number(pid), table, again: cli.again })
  })
}
