/** `kata-ts update`: other limits for a container, also while it runs. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export interface UpdateFlags {
  readonly memory?: string
  readonly cpus?: string
  readonly pidsLimit?: string
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  readonly restart?: string
}

export function updateCommand(cli: Cli): Command {
  const command = describe({
    usage: 'update <name...>',
    summary: 'change limits and restart policy of containers, at once if they run',
    example: 'update -m 1G --cpus 2 web',
  })
    .option('-m, --memory <size>', 'memory limit; the machine grows if its VMM can')
    .option('--cpus <n>', 'processors that the container may use')
    .option('--pids-limit <n>', 'how many processes the container may have; -1 for no limit')
    .option('--cpuset-cpus <list>', 'processors of the host that the machine runs on')
    .option('--cpuset-mems <list>', 'memory nodes of the host that the machine uses')
    .option('--restart <policy>', 'no, on-failure[:N], always or unless-stopped')
  return rootAction<UpdateFlags>(command, cli, async (settings, flags, names) => {
    const { update } = await import('../../actions/lifecycle/update.ts')
    return update(settings, flags, names)
  })
}
