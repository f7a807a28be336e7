/** `kata-ts start`: runs a container that was made, or one that has ended once more. */
import type { Command } from 'commander'
import { KataError } from '../../../errors.ts'
import { type Cli, describe, rootAction } from '../command.ts'

export interface StartFlags {
  readonly boot?: true
  readonly attach?: true
  readonly interactive?: true
  readonly detachKeys?: string
}

export function startCommand(cli: Cli): Command {
  const command = describe({
    usage: 'start [name...]',
    summary:
      'run created or ended containers in the background, in new machines with the files that they left',
    example: 'start web',
  })
    .option('-a, --attach', 'show its output, pass signals on, and exit with its exit code')
    .option('-i, --interactive', 'also pass standard input to it')
    .option('--detach-keys <keys>', 'keys that detach the terminal (default: ctrl-p,ctrl-q)')
    .option(
      '--boot',
      'start containers of every namespace that have --restart always or unless-stopped, as after a boot of the host',
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
    if (flags.attach || flags.interactive) {
      const [name, ...others] = names
      if (name === undefined || others.length > 0)
        throw new KataError('USAGE', {
          problem: 'one container can be attached to',
          command: 'kata-ts start',
        })
      const { startAttached } = await import('../../actions/lifecycle/attach.ts')
      const { interactive: stdin = false, detachKeys } = flags
      return startAttached(settings, { stdin, ...(detachKeys === undefined ? {} : { detachKeys }) }, name)
    }
    const { start } = await import('../../actions/lifecycle/start.ts')
    return start(settings, names)
  })
}
