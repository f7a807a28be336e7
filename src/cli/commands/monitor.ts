/** `kata-ts monitor` (not shown in the help): waits for what was left running, and cleans up after it. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function monitorCommand(cli: Cli): Command {
  const command = describe({
    usage: 'monitor <name>',
    summary: 'wait for a container, and clean up after it',
    example: 'monitor web',
  })
  return action(command, cli, async (settings, _flags, [name = '']) => {
    const { monitor } = await import('../actions/monitor.ts')
    await monitor(settings, name)
    return 0
  })
}
