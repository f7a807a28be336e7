/** `kata-ts stats`: what containers use. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export interface StatsFlags {
  /** Commander's name for `--no-stream`. */
  readonly stream: boolean
}

export function statsCommand(cli: Cli): Command {
  const command = describe({
    usage: 'stats [name...]',
    summary: 'show the resource use of running containers in their machines, every second',
    example: 'stats --no-stream web',
  }).option('--no-stream', 'print once, and exit')
  return rootAction<StatsFlags>(
    command,
    cli,
    async (settings, { stream }, names) => {
      const { stats } = await import('../../actions/look/stats.ts')
      return stats(settings, { stream }, names)
    },
    { takesTemplate: true },
  )
}
