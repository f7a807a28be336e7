/** `kata-ts completion`: scripts for the shells, made from the command table. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function completionCommand(cli: Cli, program: Command): Command {
  const command = describe({
    usage: 'completion <shell>',
    summary: 'print a completion script for bash, zsh or fish',
    example: 'completion bash > /etc/bash_completion.d/kata-ts',
  })
  return action(command, cli, async ({ print }, _flags, [shell = '']) => {
    const [{ completionScript }, { parseChoice }] = await Promise.all([
      import('../completion.ts'),
      import('../parse/number.ts'),
    ])
    print(completionScript(program, parseChoice(shell, 'completion', ['bash', 'zsh', 'fish'])))
    return 0
  })
}
