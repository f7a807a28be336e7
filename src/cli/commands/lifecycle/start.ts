/** `kata-ts start`: runs a container that has ended once more. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function startCommand(cli: Cli): Command {
  const command = describe({
    usage: 'start <name...>',
    summary:
      'run containers that have ended once more, in the background: a new machine with the files that they left',
    example: 'start web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { start } = await import('../../actions/lifecycle/start.ts')
    return start(settings, names)
  })
}
