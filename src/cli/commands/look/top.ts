/** `kata-ts top`: the processes of a container. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function topCommand(cli: Cli): Command {
  const command = describe({
    usage: 'top <name> [ps...]',
    summary: 'run the container’s own ps in it, with these options',
    example: 'top web -o pid,args',
  }).passThroughOptions()
  return rootAction(command, cli, async (settings, _flags, [name = '', ...options]) => {
    const { exec } = await import('../../actions/exec.ts')
    return exec(settings, {}, name, ['ps', ...options])
  })
}
