/** `kata-ts cp`: files between the host and a container. */
import type { Command } from 'commander'
import { KataError } from '../../errors.ts'
import { action, type Cli, describe } from './command.ts'

export function cpCommand(cli: Cli): Command {
  const command = describe({
    usage: 'cp <source> <destination>',
    summary:
      'copy files between the host and a running container (NAME:PATH); - is a tar archive on standard input or output',
    example: 'cp web:/var/log ./log',
  })
  return action(command, cli, async (settings, _flags, [source = '', destination = '']) => {
    const [{ cp }, { hasService }] = await Promise.all([
      import('../actions/cp.ts'),
      import('../service/socket-path.ts'),
    ])
    // The service has a part in it only: see execTar.
    if (process.getuid?.() !== 0 && !hasService(settings.runDir))
      throw new KataError('NOT_ROOT', { what: 'kata-ts cp' })
    return cp(settings, source, destination)
  })
}
