/** The options of `run` about rights, in docker's words. */
import type { Command } from 'commander'
import { collect } from './command.ts'
import { runGroups } from './run-groups.ts'

export function rightsOptions(command: Command): Command {
  return command
    .optionsGroup(runGroups.rights)
    .option(
      '--privileged',
      'every capability and device of the guest, unconfined; nothing of the host; not with --cap-drop',
    )
    .option('--cap-add <name>', 'add a capability, or ALL; repeatable', collect)
    .option('--cap-drop <name>', 'drop a capability, or ALL; repeatable', collect)
    .option(
      '--security-opt <option>',
      'seccomp=FILE, seccomp=unconfined or no-new-privileges; repeatable',
      collect,
    )
    .option('--sysctl <name=value>', 'kernel parameter of the machine; repeatable', collect)
    .optionsGroup(runGroups.limits)
    .option('--ulimit <name=soft[:hard]>', 'resource limit, such as nofile=1024:4096; repeatable', collect)
    .optionsGroup(runGroups.content)
    .option('--tmpfs <path[:options]>', 'memory-backed directory, such as /tmp:size=64m; repeatable', collect)
    .optionsGroup(runGroups.network)
    .option('--add-host <name:address>', 'line of /etc/hosts; repeatable', collect)
    .option('--dns <address>', 'name server (default: those of the host); repeatable', collect)
    .optionsGroup(runGroups.limits)
    .option('--shm-size <size>', 'size of /dev/shm (default: 64M)')
}
