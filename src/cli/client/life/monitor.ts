/** The waiting process for what was left running without a client: it cleans up at the end. */
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'

/** Returns its process id. With `execId` it waits for that process of the container only. */
export function spawnMonitor(
  settings: Settings,
  { id, namespace }: ContainerRecord,
  execId?: string,
): number {
  const { self, stateDir, runDir, env } = settings
  const where = ['--namespace', namespace, '--state-dir', stateDir, '--run-dir', runDir]
  const { directory } = recordPaths(stateDir, namespace, id)
  const what = execId === undefined ? [id] : [id, execId]
  const monitor = Bun.spawn([self.program, ...self.prefix, 'monitor', ...where, ...what], {
    cwd: '/',
    env: env as Record<string, string>,
    stdio: ['ignore', 'ignore', execId === undefined ? Bun.file(`${directory}/monitor.log`) : 'ignore'],
    detached: true,
  })
  monitor.unref()
  return monitor.pid
}
