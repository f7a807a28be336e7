/** `kata-ts monitor` (not shown in the help): waits for a detached container with --rm and removes what is left. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function monitorCommand(cli: Cli): Command {
  const command = describe({
    usage: 'monitor <name>',
    summary: 'wait for a container and clean up after it',
    example: 'monitor web',
  })
  return action(command, cli, async (settings, _flags, [name = '']) => {
    const [{ monitor }, { readRecord }] = await Promise.all([
      import('../client/run.ts'),
      import('../client/record.ts'),
    ])
    await monitor(settings, readRecord(settings.stateDir, settings.namespace, name))
    return 0
  })
}
