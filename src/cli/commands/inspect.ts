/** `kata-ts inspect`: everything that is known of a container, as JSON. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function inspectCommand(cli: Cli): Command {
  const command = describe({
    usage: 'inspect <name...>',
    summary: 'print all facts about containers as JSON: record, processes and ids, times of the start',
    example: 'inspect web',
  })
  return action(command, cli, async (settings, _flags, names) => {
    const { inspect } = await import('../actions/inspect.ts')
    return inspect(settings, names)
  })
}
