/** `kata-ts network`: networks that containers share. */
import type { Command } from 'commander'
import { type Cli, collect, describe, rootAction } from './command.ts'

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
    summary: 'make, list, show and remove networks that containers share',
    example: 'network ls',
  })
  const verbs = [
    ['create <network>', 'make a network; its containers find each other by name', 'create shop'],
    ['ls', 'list networks, and the containers on them', 'ls'],
    ['inspect <network...>', 'print all facts about networks as JSON', 'inspect shop'],
    ['rm <network...>', 'remove networks', 'rm shop'],
    ['prune', 'remove all networks that no container has', 'prune --force'],
  ] as const
  for (const [usage, summary, example] of verbs) {
    const verb = usage.split(' ')[0] as 'create' | 'ls' | 'inspect' | 'rm' | 'prune'
    const child = describe({ usage, summary, example: `network ${example}` })
    optionsOf[verb]?.(child)
    command.addCommand(
      rootAction<NetworkFlags>(child, cli, async (settings, flags, args) => {
        const network = await import('../actions/network.ts')
        return network[verb](settings, flags, args)
      }),
    )
  }
  return command
}

const optionsOf: Partial<Record<string, (command: Command) => Command>> = {
  create: (command) =>
    command
      .option('--internal', 'no way outside: its containers reach each other and nothing else')
      .option(
        '--subnet <address/bits>',
        'its IPv4 addresses, from which those of IPv6 follow (default: 256 of 10.89.0.0/16 that are free)',
      )
      .option('--label <key=value>', 'a note for `network inspect`; repeatable', collect),
  ls: (command) => command.option('-q, --quiet', 'names only'),
  rm: (command) => command.option('-f, --force', 'do not mind networks that are not there'),
  prune: (command) => command.option('-f, --force', 'do not ask'),
}
