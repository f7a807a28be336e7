/** `kata-ts snapshot`: machines of containers as they were at one moment, to go on from any number of times. */
import type { Command } from 'commander'
import { aliasesOf, type Cli, describe, rootAction } from './command.ts'

export interface SnapshotFlags {
  readonly quiet?: true
  readonly force?: true
}

export function snapshotCommand(cli: Cli): Command {
  const command = describe({
    usage: 'snapshot',
    summary: 'create, list, show and remove snapshots of containers, from which `run --from` continues',
    example: 'snapshot create web warm',
  })
  const verbs = [
    [
      'create <name> <snapshot>',
      'save everything that runs in a container; the container keeps running',
      'create web warm',
    ],
    ['ls', 'list snapshots', 'ls'],
    ['inspect <snapshot...>', 'print all facts about snapshots as JSON', 'inspect warm'],
    ['rm <snapshot...>', 'remove snapshots; containers started from them stay', 'rm warm'],
  ] as const
  for (const [usage, summary, example] of verbs) {
    const verb = usage.split(' ')[0] as 'create' | 'ls' | 'inspect' | 'rm'
    const child = describe({ usage, summary, example: `snapshot ${example}`, aliases: aliasesOf(verb) })
    optionsOf[verb]?.(child)
    command.addCommand(
      rootAction<SnapshotFlags>(child, cli, async (settings, flags, args) => {
        const snapshot = await import('../actions/snapshot.ts')
        return snapshot[verb](settings, flags, args)
      }),
    )
  }
  return command
}

const optionsOf: Partial<Record<string, (command: Command) => Command>> = {
  ls: (command) => command.option('-q, --quiet', 'show only names'),
  rm: (command) => command.option('-f, --force', 'ignore snapshots that do not exist'),
}
