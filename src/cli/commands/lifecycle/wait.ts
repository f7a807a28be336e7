/** `kata-ts wait`: the exit codes of containers, once they have ended. */
import type { Command } from 'commander'
import { type Cli, collect, describe, rootAction } from '../command.ts'

export interface WaitFlags {
  readonly condition?: readonly string[]
}

export function waitCommand(cli: Cli): Command {
  const command = describe({
    usage: 'wait <name...>',
    summary: 'wait until containers have ended, and print their exit codes',
    example: 'wait web',
  }).option(
    '--condition <state>',
    'wait for stopped, running, paused, removed, healthy or unhealthy; repeatable (default: stopped)',
    collect,
  )
  return rootAction<WaitFlags>(command, cli, async (settings, flags, names) => {
    const { wait } = await import('../../actions/lifecycle/wait.ts')
    return wait(settings, flags, names)
  })
}
