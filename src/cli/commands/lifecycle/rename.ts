/** `kata-ts rename`: another name for a container that does not run. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function renameCommand(cli: Cli): Command {
  const command = describe({
    usage: 'rename <name> <new-name>',
    summary: 'rename a container that is not running; its host name stays',
    example: 'rename web old-web',
  })
  return rootAction(command, cli, async (settings, _flags, [name = '', newName = '']) => {
    const { rename } = await import('../../actions/lifecycle/rename.ts')
    return rename(settings, name, newName)
  })
}
