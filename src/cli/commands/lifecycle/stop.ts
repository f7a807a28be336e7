/** `kata-ts stop`: asks a container to end, and ends it when it does not. */
import { type Command, Option } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export interface StopFlags {
  readonly timeout?: string
  /** Docker's former word for it. */
  readonly time?: string
  readonly signal?: string
}

export function stopCommand(cli: Cli): Command {
  const command = stopOptions(
    describe({
      usage: 'stop <name...>',
      summary: 'ask containers to end, and kill those that do not in time',
      example: 'stop --timeout 30 web',
    }),
  )
  return rootAction<StopFlags>(command, cli, async (settings, flags, names) => {
    const { stop } = await import('../../actions/lifecycle/stop.ts')
    return stop(settings, flags, names)
  })
}

export function stopOptions(command: Command): Command {
  return command
    .option(
      '-t, --timeout <seconds>',
      'how long to wait before SIGKILL; -1 waits forever (default: --stop-timeout of the container, or 10)',
    )
    .addOption(new Option('--time <seconds>', 'docker’s former word for --timeout').hideHelp())
    .option('-s, --signal <signal>', 'signal to send (default: --stop-signal, the image’s, or TERM)')
}
