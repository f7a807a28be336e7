/** `kata-ts kill`: a signal for the container's main process, or for all of them. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

interface KillFlags {
  readonly signal: string
  readonly all?: true
  readonly execId?: string
}

export function killCommand(cli: Cli): Command {
  const command = describe({
    usage: 'kill <name...>',
    summary: 'send a signal to running containers',
    example: 'kill --signal TERM web',
  })
    .option('-s, --signal <signal>', 'name or number; after KILL, the command waits for the end', 'KILL')
    .option('-a, --all', 'signal every process of the container, which SIGKILL does without this option, too')
    .option('--exec-id <id>', 'signal the command that `exec --exec-id` started')
  return rootAction<KillFlags>(command, cli, async (settings, flags, names) => {
    const { kill } = await import('../../actions/lifecycle/kill.ts')
    const { signal, all = false, execId } = flags
    return kill(settings, { signal, all, execId }, names)
  })
}
