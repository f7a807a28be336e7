/** `kata-ts rm`: the record of a container, and all that it still holds. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function rmCommand(cli: Cli): Command {
  const command = describe({
    usage: 'rm <name...>',
    summary: 'remove containers that have ended',
    example: 'rm --force web',
  })
    .option('-f, --force', 'end a running container first')
    .option('-v, --volumes', 'accepted as in docker, but there are no anonymous volumes, and named ones stay')
  return rootAction<{ force?: true }>(command, cli, async (settings, { force }, names) => {
    const { rm } = await import('../../actions/lifecycle/rm.ts')
    return rm(settings, { force: force === true }, names)
  })
}
