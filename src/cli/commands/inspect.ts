/** `kata-ts inspect`: everything that is known of a container, or of an image, as JSON. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export interface InspectFlags {
  readonly full?: true
  readonly type?: string
}

export function inspectCommand(cli: Cli): Command {
  const command = describe({
    usage: 'inspect <name...>',
    summary: 'print all facts about containers or images as JSON',
    example: "inspect --format '{{.State.Status}}' web",
  })
    .option('-f, --format <template>', 'print fields with a docker template, such as {{.State.Status}}')
    .option('--type <type>', 'container or image (default: a container, or else an image of that name)')
    .option('--full', 'also print the rules of the seccomp profile')
  return rootAction<InspectFlags>(
    command,
    cli,
    async (settings, flags, names) => {
      const { inspect } = await import('../actions/inspect.ts')
      return inspect(settings, flags, names)
    },
    { takesTemplate: true },
  )
}
