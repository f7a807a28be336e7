/** `kata-ts audit`: how confined the processes of running sandboxes are, expected beside actual. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function auditCommand(cli: Cli): Command {
  const command = describe({
    usage: 'audit [sandbox...]',
    summary:
      'read the confinement of running sandboxes from the kernel, and compare it with what was asked for',
    example: 'audit web',
  })
  return rootAction(command, cli, async (settings, _flags, names) => {
    const { audit } = await import('../actions/audit.ts')
    return audit(settings, names)
  })
}
