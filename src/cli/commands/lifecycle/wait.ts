/** `kata-ts wait`: the exit codes of containers, once they have ended. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function waitCommand(cli: Cli): Command {
  const command = describe({
    usage: 'wait <name...>',
    summary: 'wait until containers have ended, and print their exit codes',
    example: 'wait web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { wait } = await import('../../actions/lifecycle/wait.ts')
    return wait(settings, names)
  })
}
