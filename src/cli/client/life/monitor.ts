/** The waiting process for what was left running without a client: it cleans up at the end. */
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'

/** Returns its process id. */
export function spawnMonitor(settings: Settings, { id, namespace }: ContainerRecord): number {
  const { self, stateDir, runDir, env } = settings
  const where = ['--namespace', namespace, '--state-dir', stateDir, '--run-dir', runDir]
  const { directory } = recordPaths(stateDir, namespace, id)
  const monitor = Bun.spawn([self.program, ...self.prefix, 'monitor', ...where, id], {
    cwd: '/',
    env: env as Record<string, string>,
    stdio: ['ignore', 'ignore', Bun.file(`${directory}/monitor.log`)],
    detached: true,
  })
  monitor.unref()
  return monitor.pid
}
