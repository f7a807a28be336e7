/** `kata-ts start`: runs a container that has ended once more. */
import type { Command } from 'commander'
import { KataError } from '../../../errors.ts'
import { type Cli, describe, rootAction } from '../command.ts'

export interface StartFlags {
  readonly boot?: true
}

export function startCommand(cli: Cli): Command {
  const command = describe({
    usage: 'start [name...]',
    summary:
      'run containers that have ended once more, in the background: a new machine with the files that they left',
    example: 'start web',
  }).option(
    '--boot',
    'start those of every namespace with --restart always or unless-stopped, as after a boot of the host',
  )
  return rootAction<StartFlags>(command, cli, async (settings, flags, names) => {
    if ((flags.boot === true) === names.length > 0)
      throw new KataError('USAGE', {
        problem: 'name the containers, or use --boot alone',
        command: 'kata-ts start',
      })
    if (flags.boot) {
      const { startAtBoot } = await import('../../actions/lifecycle/boot.ts')
      return startAtBoot(settings)
    }
    const { start } = await import('../../actions/lifecycle/start.ts')
    return start(settings, names)
  })
}
