/** `kata-ts ps`: what there is and what it does. */
import type { Command } from 'commander'
import { type Cli, collect, describe, rootAction } from './command.ts'

export interface PsFlags {
  readonly all?: true
  readonly filter?: readonly string[]
  readonly running?: true
  readonly quiet?: true
  readonly allNamespaces?: true
  /** False with `--no-trunc`. */
  readonly trunc: boolean
  readonly last?: string
  readonly latest?: true
  readonly size?: true
}

export function psCommand(cli: Cli): Command {
  const command = describe({
    usage: 'ps',
    summary: 'list containers in every state',
    example: "ps --filter status=running --format 'table {{.Names}}\\t{{.Status}}'",
  })
    .option('-a, --all', 'list containers in every state, which is the default')
    .option('--running', 'list only running containers')
    .option(
      '-f, --filter <key=value>',
      'label=KEY[=VALUE], name=PART or name=^NAME$, id=START, status=STATUS, exited=CODE, volume=NAME, ancestor=IMAGE or health=HEALTH; repeatable',
      collect,
    )
    .option('-q, --quiet', 'show only names')
    .option('-n, --last <n>', 'list only the n newest containers')
    .option('-l, --latest', 'list only the newest container')
    .option('-s, --size', 'show the size of the files that each container has written')
    .option('--no-trunc', 'do not cut lines to the width of the terminal')
    .option(
      '-A, --all-namespaces',
      'list containers of every namespace, including those of containerd (k8s.io, moby)',
    )
  return rootAction<PsFlags>(
    command,
    cli,
    async (settings, flags) => {
      const { ps } = await import('../actions/ps.ts')
      return ps(settings, flags)
    },
    { takesTemplate: true },
  )
}
