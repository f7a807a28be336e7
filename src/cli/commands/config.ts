/** `kata-ts config`: the configuration that a start would use. */
import type { Command } from 'commander'
import { action, type Cli, describe } from './command.ts'

export function configCommand(cli: Cli): Command {
  const command = describe({
    usage: 'config',
    summary: 'show the configuration',
    example: 'config show',
  })
  const show = describe({
    usage: 'show',
    summary: 'print the effective configuration and the files that it comes from',
    example: 'config show --config /etc/kata-ts/configuration.toml',
  }).option('--config <file>', 'configuration file')
  return command.addCommand(
    action<{ config?: string }>(show, cli, async (settings, { config }) => {
      const { showConfig } = await import('../actions/config.ts')
      return showConfig(settings, config)
    }),
  )
}
