/** `kata-ts events`: what happens to containers, images and volumes. */
import type { Command } from 'commander'
import { type Cli, collect, describe, rootAction } from '../command.ts'

export interface EventsFlags {
  readonly since?: string
  readonly until?: string
  readonly filter?: readonly string[]
  readonly allNamespaces?: true
}

export function eventsCommand(cli: Cli): Command {
  const command = describe({
    usage: 'events',
    summary: 'print what happens to containers, images and volumes, as it happens',
    example: "events --since 10m --filter event=die --format '{{.Actor.ID}}'",
  })
    .option(
      '--since <time>',
      'also print earlier events, since this time: 10m (ago), or 2026-01-02T15:04:05Z',
    )
    .option('--until <time>', 'stop at this time')
    .option(
      '-f, --filter <key=value>',
      'container=NAME, event=ACTION, image=NAME, label=KEY[=VALUE], type=container, image or volume, volume=NAME; repeatable',
      collect,
    )
    .option('-A, --all-namespaces', 'containers and volumes of every namespace')
  return rootAction<EventsFlags>(
    command,
    cli,
    async (settings, flags) => {
      const { events } = await import('../../actions/look/events.ts')
      return events(settings, flags)
    },
    { takesTemplate: true },
  )
}
