/** `kata-ts cp`: files between the host and a container. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function cpCommand(cli: Cli): Command {
  const command = describe({
    usage: 'cp <source> <destination>',
    summary:
      'copy files between the host and a running container, NAME:PATH; - is a tar on standard input or output',
    example: 'cp web:/var/log ./log',
  })
  return rootAction(command, cli, async (settings, _flags, [source = '', destination = '']) => {
    const { cp } = await import('../actions/cp.ts')
    return cp(settings, source, destination)
  })
}
