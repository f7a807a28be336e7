/** The options of `run` about its health check, in docker's words. */
import type { Command } from 'commander'
import { runGroups } from './run-groups.ts'

export function healthOptions(command: Command): Command {
  return command
    .optionsGroup(runGroups.health)
    .option(
      '--health-cmd <command>',
      'a command of the container’s shell that says by its exit code whether it is healthy',
    )
    .option('--health-interval <duration>', 'time between two checks (default: the image’s, or 30s)')
    .option('--health-timeout <duration>', 'how long a check may take (default: the image’s, or 30s)')
    .option(
      '--health-retries <n>',
      'so many failures in a row make it unhealthy (default: the image’s, or 3)',
    )
    .option(
      '--health-start-period <duration>',
      'how long failures after the start do not count (default: the image’s, or 0s)',
    )
    .option(
      '--health-start-interval <duration>',
      'time between checks meanwhile (default: the image’s, or 5s)',
    )
    .option('--no-healthcheck', 'run no check, also not the image’s')
}
