/** `kata-ts env`: versions, paths and settings, as kata-env prints them. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function envCommand(cli: Cli): Command {
  const command = describe({
    usage: 'env',
    summary: 'print facts about runtime, VMM, guest image and host',
    example: 'env --format json',
  }).option('--config <file>', 'configuration file')
  return action<{ config?: string }>(command, cli, async (settings, { config }) => {
    const { env } = await import('../actions/env.ts')
    return env(settings, config)
  })
}
