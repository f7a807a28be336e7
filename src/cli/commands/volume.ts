/** `kata-ts volume`: directories of the runtime's own that outlive containers. */
import type { Command } from 'commander'
import { aliasesOf, type Cli, collect, describe, rootAction } from './command.ts'

export interface VolumeFlags {
  readonly label?: readonly string[]
  readonly filter?: readonly string[]
  readonly force?: true
  readonly all?: true
  readonly quiet?: true
}

export function volumeCommand(cli: Cli): Command {
  const command = describe({
    usage: 'volume',
    summary: 'create, list, show and remove volumes',
    example: 'volume ls',
  })
  const verbs = [
    ['create [name]', 'create a volume, unless one of that name exists', 'create data'],
    ['ls', 'list volumes, and the containers that use them', 'ls'],
    ['inspect <name...>', 'print all facts about volumes as JSON', 'inspect data'],
    ['rm <name...>', 'remove volumes with their files', 'rm data'],
    [
      'prune',
      'remove volumes that no container uses; all volumes have names, so it needs --all',
      'prune --all',
    ],
  ] as const
  for (const [usage, summary, example] of verbs) {
    const verb = usage.split(' ')[0] as 'create' | 'ls' | 'inspect' | 'rm' | 'prune'
    const child = describe({ usage, summary, example: `volume ${example}`, aliases: aliasesOf(verb) })
    optionsOf[verb]?.(child)
    command.addCommand(
      rootAction<VolumeFlags>(
        child,
        cli,
        async (settings, flags, args) => {
          const volume = await import('../actions/volume.ts')
          return volume[verb](settings, flags, args)
        },
        verb === 'ls' || verb === 'inspect' ? { takesTemplate: true } : {},
      ),
    )
  }
  return command
}

const optionsOf: Partial<Record<string, (command: Command) => Command>> = {
  create: (command) =>
    command.option('--label <key=value>', 'label, for `volume inspect`; repeatable', collect),
  inspect: (command) =>
    command.option('-f, --format <template>', 'print fields with a docker template, such as {{.Mountpoint}}'),
  ls: (command) => command.option('-q, --quiet', 'show only names'),
  rm: (command) => command.option('-f, --force', 'ignore volumes that do not exist'),
  prune: (command) =>
    command
      .option('-a, --all', 'remove the volumes that no container uses, with their files')
      .option('-f, --force', 'do not ask'),
}
