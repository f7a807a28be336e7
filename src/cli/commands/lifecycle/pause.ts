/** `kata-ts pause` and `unpause`: holds all processes of a container, and lets them go on. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function pauseCommand(cli: Cli): Command {
  const command = describe({
    usage: 'pause <name...>',
    summary: 'freeze all processes of containers; their machines keep running',
    example: 'pause web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { pause } = await import('../../actions/lifecycle/pause.ts')
    return pause(settings, names)
  })
}

export function unpauseCommand(cli: Cli): Command {
  const command = describe({
    usage: 'unpause <name...>',
    summary: 'thaw the processes of paused containers',
    example: 'unpause web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { unpause } = await import('../../actions/lifecycle/pause.ts')
    return unpause(settings, names)
  })
}
