/** `kata-ts exec`: one more command in a running container. */
import type { Command } from 'commander'
import { KataError } from '../../errors.ts'
import { type Cli, collect, describe, noCallerEnv, rootAction } from './command.ts'

export interface ExecFlags {
  readonly interactive?: true
  readonly tty?: true
  readonly detach?: true
  readonly detachKeys?: string
  readonly execId?: string
  readonly env?: readonly string[]
  readonly envFile?: readonly string[]
  /** False with `--no-caller-env`. */
  readonly callerEnv?: boolean
  readonly user?: string
  readonly workdir?: string
  readonly privileged?: true
}

export function execCommand(cli: Cli): Command {
  const command = describe({
    usage: 'exec <name> <command...>',
    summary: 'run another command in a running container',
    example: 'exec -it web sh',
  })
    .passThroughOptions()
    .option('-i, --interactive', 'pass standard input to the command')
    .option('-t, --tty', 'give the command a terminal')
    .option('-d, --detach', 'do not wait for the command, and drop its output')
    .option('--detach-keys <keys>', 'keys that detach the terminal (default: ctrl-p,ctrl-q)')
    .option('--exec-id <id>', 'id of this command, for `kill --exec-id` (default: a random one)')
    .option(
      '-e, --env <key=value>',
      'environment variable; KEY alone passes yours on, or removes it if you have none; repeatable',
      collect,
    )
    .addOption(noCallerEnv())
    .option('--env-file <file>', 'file with KEY=VALUE on each line; --env wins; repeatable', collect)
    .option('-u, --user <user[:group]>', 'name or number inside the container')
    .option('-w, --workdir <dir>', 'working directory inside the container')
    .option('--privileged', 'give the command every capability in the guest; nothing of the host')
  return rootAction<ExecFlags>(command, cli, async (settings, flags, [name = '', ...words]) => {
    // Options end at the name, so a `--` behind it is still there.
    const args = words[0] === '--' ? words.slice(1) : words
    if (args.length === 0)
      throw new KataError('USAGE', {
        problem: "missing required argument 'command'",
        command: 'kata-ts exec',
      })
    const { exec } = await import('../actions/exec.ts')
    return exec(settings, flags, name, args)
  })
}
