/** `kata-ts inspect`: everything that is known of a container, as JSON. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function inspectCommand(cli: Cli): Command {
  const command = describe({
    usage: 'inspect <name...>',
    summary: 'print all facts about containers as JSON: record, processes and ids, times of the start',
    example: 'inspect web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { inspect } = await import('../actions/inspect.ts')
    return inspect(settings, names)
  })
}
