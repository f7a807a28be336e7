/** `kata-ts attach`: back to a container that was left running. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export interface AttachFlags {
  readonly detachKeys?: string
  /** Commander's name for `--no-stdin`. */
  readonly stdin: boolean
  readonly sigProxy?: string
}

export function attachCommand(cli: Cli): Command {
  const command = describe({
    usage: 'attach <name>',
    summary: 'attach your terminal to a running container; signals go to it, unless it has a terminal',
    example: 'attach web',
  })
    .option('--detach-keys <keys>', 'keys that detach the terminal (default: ctrl-p,ctrl-q)')
    .option('--no-stdin', 'only show the output')
    .option(
      '--sig-proxy <bool>',
      'false: a signal ends this command, and leaves the container running (default: true without a terminal)',
    )
  return rootAction<AttachFlags>(command, cli, async (settings, flags, [name = '']) => {
    const { attachTo } = await import('../../actions/lifecycle/attach.ts')
    return attachTo(settings, flags, name)
  })
}
