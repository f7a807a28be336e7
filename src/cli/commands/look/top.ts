/** `kata-ts top`: the processes of a container. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function topCommand(cli: Cli): Command {
  const command = describe({
    usage: 'top <name> [ps...]',
    summary: 'run the container’s own ps in it, with these options',
    example: 'top web -o pid,args',
  }).passThroughOptions()
  return rootAction(command, cli, async (settings, _flags, [name = '', ...options]) => {
    const [{ exec }, { runtimeFailed }] = await Promise.all([
      import('../../actions/exec.ts'),
      import('../../exit-code.ts'),
    ])
    const code = await exec(settings, {}, name, ['ps', ...options])
    // Only `run` and `exec` have a code that says so.
    return code === runtimeFailed ? 1 : code
  })
}
