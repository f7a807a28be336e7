/** `kata-ts gc`: what crashes have left. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function gcCommand(cli: Cli): Command {
  const command = describe({
    usage: 'gc',
    summary:
      'release what crashed shims, crashed clients and reboots left behind; running sandboxes are not touched',
    example: 'gc',
  }).option('--config <file>', 'configuration file, which has the range of user ids')
  return rootAction<{ config?: string }>(command, cli, async (settings, { config }) => {
    const { gc } = await import('../actions/gc.ts')
    return gc(settings, config)
  })
}
