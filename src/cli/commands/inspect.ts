/** `kata-ts inspect`: everything that is known of a container, as JSON. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

export function inspectCommand(cli: Cli): Command {
  const command = describe({
    usage: 'inspect <name...>',
    summary: 'print all facts about containers as JSON: record, processes and ids, times of the start',
    example: "inspect --format '{{.State.Status}}' web",
  })
    .option('-f, --format <template>', 'print fields by a template of docker’s, such as {{.State.Status}}')
    .option('--full', 'the rules of the seccomp profile, too')
  return rootAction<{ full?: true }>(
    command,
    cli,
    async (settings, { full }, names) => {
      const { inspect } = await import('../actions/inspect.ts')
      return inspect(settings, { full: full === true }, names)
    },
    { takesTemplate: true },
  )
}
