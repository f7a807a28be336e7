/** `kata-ts kill`: a signal for the container's main process, or for all of them. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

interface KillFlags {
  readonly signal: string
  readonly all?: true
}

export function killCommand(cli: Cli): Command {
  const command = describe({
    usage: 'kill <name...>',
    summary: 'send a signal to running containers',
    example: 'kill --signal TERM web',
  })
    .option('-s, --signal <signal>', 'name or number', 'KILL')
    .option('-a, --all', 'signal every process of the container, not only the main one')
  return rootAction<KillFlags>(command, cli, async (settings, flags, names) => {
    const { kill } = await import('../../actions/lifecycle/kill.ts')
    return kill(settings, { signal: flags.signal, all: flags.all === true }, names)
  })
}
