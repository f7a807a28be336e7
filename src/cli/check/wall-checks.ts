/** Which walls a start would leave open, by configuration and host. */
import { dirname } from 'node:path'
import { openWalls } from '../../sandbox/records/open-walls.ts'
import { type Check, ok, warning } from './check.ts'
import type { FileFacts } from './host-probe.ts'

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

/** Who can write a file of the configuration, or put another in its place, decides which walls stand. */
const configuration: Check = {
  name: 'configuration',
  run: ({ host, config: { source, dropIns } }) => {
    const files = [source, ...dropIns].filter((file) => file.startsWith('/'))
    // A directory of drop-ins counts that has none yet.
    const directories = files.map(dirname).flatMap((directory) => [directory, `${directory}/config.d`])
    const places = [...new Set([...files, ...directories])]
    const open = places.filter((place) => isOpen(host.stat(place)))
    return open.length === 0
      ? ok(files.length === 0 ? 'the built-in one' : `${files.join(', ')}, which only root can change`)
      : warning(
          `users other than root can change ${open.join(', ')}, and so switch walls off`,
          'Run `chown root` and `chmod go-w` for each.',
        )
  },
}

/** A missing file is not open. What a group of root's may write, root may. */
const isOpen = (stat: FileFacts | undefined): boolean =>
  stat !== undefined &&
  (stat.uid !== 0 ||
    (stat.mode & 0o002) !== 0 ||
    ((stat.gid !== 0 || stat.hasAcl === true) && (stat.mode & 0o020) !== 0))

export const wallChecks: readonly Check[] = [walls, configuration]
