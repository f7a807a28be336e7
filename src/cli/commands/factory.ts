/** `kata-ts factory`: machines that are booted once and saved, of which pods are clones. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export interface FactoryFlags {
  readonly config?: string
  /** Of `init` alone. */
  readonly ifEnabled?: true
}

export function factoryCommand(cli: Cli): Command {
  const command = describe({
    usage: 'factory',
    summary: 'make, list and remove machine templates: machines that were saved with their agents up',
    example: 'factory init',
  })
  const verbs = [
    ['init', 'boot a machine and save it as the template of pods; an older one is replaced'],
    ['status', 'list the templates, and say whether pods can be clones of them'],
    ['destroy', 'remove all templates; machines that were cloned run on'],
  ] as const
  for (const [verb, summary] of verbs) {
    const child = describe({ usage: verb, summary, example: `factory ${verb}` }).option(
      '--config <file>',
      'configuration file',
    )
    if (verb === 'init')
      child.option('--if-enabled', 'do nothing unless enable_template is true, for a unit of systemd')
    command.addCommand(
      rootAction<FactoryFlags>(child, cli, async (settings, flags) => {
        const factory = await import('../actions/factory.ts')
        return factory[verb](settings, flags)
      }),
    )
  }
  return command
}
