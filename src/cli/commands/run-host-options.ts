/** The options of `run` that ../parse/host-options.ts reads, and additional groups, in docker's words. */
import type { Command } from 'commander'
import type { HostFlags } from '../parse/host-options.ts'
import { collect } from './command.ts'
import { runGroups } from './run-groups.ts'

export type { HostFlags }

export function hostOptions(command: Command): Command {
  return command
    .optionsGroup(runGroups.content)
    .option('--group-add <group>', 'additional group of the command, by name or number; repeatable', collect)
    .optionsGroup(runGroups.limits)
    .option(
      '--cpuset-cpus <list>',
      'processors of the host that the machine runs on, such as 0-3,7; without --cpus it grows by as many',
    )
    .option('--cpuset-mems <list>', 'memory nodes of the host that the machine uses')
    .option('--memory-swap <size>', 'accepted as in docker, but a machine has no swap: --memory is the limit')
    .option(
      '--oom-score-adj <n>',
      'how likely the host is to end the machine when it runs out of memory (0 to 1000)',
    )
    .optionsGroup(runGroups.machine)
    .option(
      '--annotation <key=value>',
      'OCI annotation of the container, such as one that changes the configuration; repeatable',
      collect,
    )
    .optionsGroup(runGroups.network)
    .option('--dns-search <domain>', 'search domain of /etc/resolv.conf; repeatable', collect)
    .option('--dns-option <option>', 'option of /etc/resolv.conf, such as ndots:2; repeatable', collect)
}
