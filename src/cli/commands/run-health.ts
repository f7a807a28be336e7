/** The options of `run` about its health check, in docker's words. */
import type { Command } from 'commander'
import { runGroups } from './run-groups.ts'

export function healthOptions(command: Command): Command {
  return command
    .optionsGroup(runGroups.health)
    .option(
      '--health-cmd <command>',
      'shell command in the container whose exit code says whether it is healthy',
    )
    .option('--health-interval <duration>', 'time between two checks (default: the image’s, or 30s)')
    .option('--health-timeout <duration>', 'how long a check may take (default: the image’s, or 30s)')
    .option('--health-retries <n>', 'failures in a row that make it unhealthy (default: the image’s, or 3)')
    .option(
      '--health-start-period <duration>',
      'time after the start in which failures do not count (default: the image’s, or 0s)',
    )
    .option(
      '--health-start-interval <duration>',
      'time between checks in the start period (default: the image’s, or 5s)',
    )
    .option('--no-healthcheck', 'run no check, not even the image’s')
}
