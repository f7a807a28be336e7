/** `kata-ts info` and `kata-ts system`: what there is on this host, how much room it takes, and what can go. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'
import { eventsCommand } from './events.ts'

export interface SystemPruneFlags {
  readonly force?: true
  readonly volumes?: true
  readonly all?: true
}

export function infoCommand(cli: Cli): Command {
  const command = describe({
    usage: 'info',
    summary: 'count containers and images, and show facts about this host',
    example: "info --format '{{.ContainersRunning}}'",
  })
  return rootAction(
    command,
    cli,
    async (settings) => {
      const { info } = await import('../../actions/look/info.ts')
      return info(settings)
    },
    { takesTemplate: true },
  )
}

export function systemCommand(cli: Cli): Command {
  const command = describe({
    usage: 'system',
    summary: 'show disk space, events and facts about this host, and remove what nothing uses',
    example: 'system df',
  })
  for (const child of [dfCommand(cli), infoCommand(cli), eventsCommand(cli), systemPruneCommand(cli)])
    command.addCommand(child)
  return command
}

function dfCommand(cli: Cli): Command {
  const command = describe({
    usage: 'df',
    summary: 'show how much disk space images, containers, volumes and snapshots take',
    example: 'system df',
  })
  return rootAction(command, cli, async (settings) => {
    const { diskUse } = await import('../../actions/look/disk-use.ts')
    return diskUse(settings)
  })
}

function systemPruneCommand(cli: Cli): Command {
  const command = describe({
    usage: 'prune',
    summary:
      'remove containers that have ended or were never started, images without a name and unused layers, after asking',
    example: 'system prune --all',
  })
    .option('-f, --force', 'do not ask')
    .option('-a, --all', 'also remove images with names that no container uses')
    .option('--volumes', 'accepted as in docker, but named volumes stay: use `volume prune --all`')
  return rootAction<SystemPruneFlags>(command, cli, async (settings, { force, all, volumes }) => {
    const [images, volume] = await Promise.all([
      import('../../actions/prune.ts'),
      import('../../actions/volume.ts'),
    ])
    const asked = force === undefined ? {} : { force }
    const which = { containers: true, unnamed: true, ...(all && { all }) } as const
    const code = await images.prune(settings, { ...asked, ...which })
    return volumes && code === 0 ? volume.prune(settings, asked) : code
  })
}
