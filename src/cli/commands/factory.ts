/** `kata-ts factory`: machines that are booted once and saved, of which pods are clones, and clones that wait for their pods. */
import type { Command } from 'commander'
import { aliasesOf, type Cli, describe, rootAction } from './command.ts'

export interface FactoryFlags {
  readonly config?: string
  /** An option of `init` and `serve`. */
  readonly ifEnabled?: true
}

export function factoryCommand(cli: Cli): Command {
  const command = describe({
    usage: 'factory',
    summary: 'create, list and remove machine templates, and keep clones of them waiting',
    example: 'factory init',
  })
  const verbs = [
    [
      'init',
      'boot a machine and save it as a template for pods; replaces an older one, and removes those of earlier boots',
    ],
    ['status', 'list the templates, and say whether pods can start as clones of them'],
    ['serve', 'keep vm_cache_number machines waiting for pods, until a signal ends it'],
    ['destroy', 'end all waiting machines and remove all templates; pods keep running'],
  ] as const
  for (const [verb, summary] of verbs) {
    const child = describe({
      usage: verb,
      summary,
      example: `factory ${verb}`,
      aliases: aliasesOf(verb),
    }).option('--config <file>', 'configuration file')
    const key = { init: 'enable_template is true', serve: 'vm_cache_number is more than 0' }
    if (verb in key)
      child.option('--if-enabled', `do nothing unless ${key[verb as keyof typeof key]}, for a systemd unit`)
    command.addCommand(
      rootAction<FactoryFlags>(child, cli, async (settings, flags) => {
        if (verb === 'serve') {
          const { serve } = await import('../actions/factory-serve.ts')
          return serve(settings, flags)
        }
        const factory = await import('../actions/factory.ts')
        return factory[verb](settings, flags)
      }),
    )
  }
  return command
}
