/** `kata-ts suspend` and `resume`: saves the machine of a container, and lets it go on. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function suspendCommand(cli: Cli): Command {
  const command = describe({
    usage: 'suspend <name...>',
    summary: 'save the machines of containers with all that runs in them, and end them',
    example: 'suspend web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { suspend } = await import('../../actions/lifecycle/suspend.ts')
    return suspend(settings, names)
  })
}

export function resumeCommand(cli: Cli): Command {
  const command = describe({
    usage: 'resume <name...>',
    summary: 'let suspended containers go on, each in a machine of a new user',
    example: 'resume web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { resume } = await import('../../actions/lifecycle/suspend.ts')
    return resume(settings, names)
  })
}

export function forkCommand(cli: Cli): Command {
  const command = describe({
    usage: 'fork <name> [new-name]',
    summary: 'start a second container that goes on from where one is now',
    example: 'fork web web-2',
  })
  return rootAction(command, cli, async (settings, _flags, [name = '', newName]) => {
    const { fork } = await import('../../actions/snapshot.ts')
    return fork(settings, name, newName)
  })
}
