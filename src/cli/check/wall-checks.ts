/** Which walls a start would leave open, by configuration and host. */
import { openWalls } from '../../sandbox/records/open-walls.ts'
import { type Check, ok, warning } from './check.ts'

const walls: Check = {
  name: 'walls',
  run: async ({ host, config }) => {
    const { virtioFsPrivilege, landlock } = config.hypervisor
    const open = openWalls(config, {
      accelerator: host.accelerator(config),
      ...(virtioFsPrivilege === 'root' && { virtiofsdRootBecause: 'virtio_fs_privilege = "root"' }),
      landlockProblem: landlock === 'best-effort' ? await host.landlockProblem() : undefined,
    })
    if (open.length === 0) return ok('none is switched off')
    const found = open.map(({ wall, what }) => `${wall}: ${what}`).join('; ')
    return warning(`open (${config.source}): ${found}`, open.map(({ remedy }) => remedy).join(' '))
  },
}

export const wallChecks: readonly Check[] = [walls]
