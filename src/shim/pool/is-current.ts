/** Whether a machine waits with the configuration that there is now. */
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { isSameConfig } from '../../config/same-config.ts'
import { silentLogger } from '../../log.ts'

/** True as well while nobody can read what is there now. */
export function isCurrent(config: Config, from: Omit<Parameters<typeof loadConfig>[0], 'log'>): boolean {
  try {
    return isSameConfig(config, loadConfig({ ...from, log: silentLogger }))
  } catch {
    return true
  }
}
