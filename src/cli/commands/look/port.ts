/** `kata-ts port`: where the ports of a container are on the host. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function portCommand(cli: Cli): Command {
  const command = describe({
    usage: 'port <name> [port[/protocol]]',
    summary: 'show the host ports at which a container is published',
    example: 'port web 80/tcp',
  })
  return rootAction(command, cli, async (settings, _flags, [name = '', port]) => {
    const { port: show } = await import('../../actions/look/port.ts')
    return show(settings, name, port)
  })
}
