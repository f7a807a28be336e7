/** `kata-ts check`: can this host run containers, and if not, what to do. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export interface CheckFlags {
  readonly config?: string
  readonly fixKvm?: true
}

export function checkCommand(cli: Cli): Command {
  const command = describe({
    usage: 'check',
    summary: 'check whether this host can run containers, and name the remedy if it cannot',
    example: 'check --fix-kvm',
  })
    .option('--config <file>', 'configuration file')
    .option('--fix-kvm', 'first give /dev/kvm to root:kvm with mode 660')
  return action<CheckFlags>(command, cli, async (settings, flags) => {
    const { check } = await import('../actions/check.ts')
    return check(settings, flags)
  })
}
