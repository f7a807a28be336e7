/** `kata-ts logs`: what a detached container has printed. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function logsCommand(cli: Cli): Command {
  const command = describe({
    usage: 'logs <name>',
    summary:
      'print the output of a detached container, stdout and stderr separately (the last 16 to 32 MiB of each)',
    example: 'logs --follow web',
  }).option('-f, --follow', 'keep printing until the container ends')
  return rootAction<{ follow?: true }>(command, cli, async (settings, { follow }, [name = '']) => {
    const { logs } = await import('../actions/logs.ts')
    return logs(settings, { follow: follow === true }, name)
  })
}
