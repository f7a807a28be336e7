/** `kata-ts logs`: what a container has printed. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export interface LogsFlags {
  readonly follow?: true
  readonly tail?: string
  readonly since?: string
  readonly until?: string
  readonly timestamps?: true
  readonly names?: true
}

export function logsCommand(cli: Cli): Command {
  const command = describe({
    usage: 'logs <name...>',
    summary: 'print the output of containers, stdout and stderr in order',
    example: 'logs --follow --tail 20 web',
  })
    .option('-f, --follow', 'keep printing until the container ends')
    .option('-n, --tail <lines>', 'only this many of the last lines (default: all)')
    .option('--since <time>', 'only lines since this time: 10m (ago), or 2026-01-02T15:04:05Z')
    .option('--until <time>', 'only lines until this time')
    .option('-t, --timestamps', 'begin each line with its time')
    .option('--names', 'begin each line with the name of its container')
  return rootAction<LogsFlags>(command, cli, async (settings, flags, names) => {
    const { logs } = await import('../actions/logs.ts')
    return logs(settings, flags, names)
  })
}
