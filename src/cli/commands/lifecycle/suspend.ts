/** `kata-ts suspend` and `resume`: saves the machine of a container, and lets it go on. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function suspendCommand(cli: Cli): Command {
  const command = describe({
    usage: 'suspend <name...>',
    summary: 'save the machines of containers with everything that runs in them, and end them',
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
    summary: 'continue suspended containers, each in a new machine under a new user',
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
    summary: 'start a copy of a running container, which continues from its current state',
    example: 'fork web web-2',
  })
  return rootAction(command, cli, async (settings, _flags, [name = '', newName]) => {
    const { fork } = await import('../../actions/snapshot.ts')
    return fork(settings, name, newName)
  })
}
