/** `kata-ts network`: networks that containers share. */
import type { Command } from 'commander'
import { aliasesOf, type Cli, collect, describe, rootAction } from './command.ts'

export interface NetworkFlags {
  readonly internal?: true
  readonly subnet?: string
  readonly label?: readonly string[]
  readonly force?: true
  readonly quiet?: true
}

export function networkCommand(cli: Cli): Command {
  const command = describe({
    usage: 'network',
    summary: 'create, list, show and remove networks that containers share',
    example: 'network ls',
  })
  const verbs = [
    ['create <network>', 'create a network; its containers find each other by name', 'create shop'],
    ['ls', 'list networks, and the containers on them', 'ls'],
    ['inspect <network...>', 'print all facts about networks as JSON', 'inspect shop'],
    ['rm <network...>', 'remove networks', 'rm shop'],
    ['prune', 'remove all networks that no container uses', 'prune --force'],
  ] as const
  for (const [usage, summary, example] of verbs) {
    const verb = usage.split(' ')[0] as 'create' | 'ls' | 'inspect' | 'rm' | 'prune'
    const child = describe({ usage, summary, example: `network ${example}`, aliases: aliasesOf(verb) })
    optionsOf[verb]?.(child)
    command.addCommand(
      rootAction<NetworkFlags>(
        child,
        cli,
        async (settings, flags, args) => {
          const network = await import('../actions/network.ts')
          return network[verb](settings, flags, args)
        },
        verb === 'ls' || verb === 'inspect' ? { takesTemplate: true } : {},
      ),
    )
  }
  return command
}

const optionsOf: Partial<Record<string, (command: Command) => Command>> = {
  create: (command) =>
    command
      .option('--internal', 'close the outside to its containers: they reach only each other')
      .option(
        '--subnet <address/bits>',
        'its IPv4 subnet, from which IPv6 addresses are derived (default: a free /24 of 10.89.0.0/16)',
      )
      .option('--label <key=value>', 'label, for `network inspect`; repeatable', collect),
  inspect: (command) =>
    command.option('-f, --format <template>', 'print fields with a docker template, such as {{.Internal}}'),
  ls: (command) => command.option('-q, --quiet', 'show only names'),
  rm: (command) => command.option('-f, --force', 'ignore networks that do not exist'),
  prune: (command) => command.option('-f, --force', 'do not ask'),
}
