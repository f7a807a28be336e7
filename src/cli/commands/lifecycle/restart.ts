/** `kata-ts restart`: stop, then start. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'
import { type StopFlags, stopOptions } from './stop.ts'

export function restartCommand(cli: Cli): Command {
  const command = stopOptions(
    describe({
      usage: 'restart <name...>',
      summary: 'stop containers, and start them again in new machines',
      example: 'restart web',
    }),
  )
  return rootAction<StopFlags>(command, cli, async (settings, flags, names) => {
    const { restart } = await import('../../actions/lifecycle/restart.ts')
    return restart(settings, flags, names)
  })
}
