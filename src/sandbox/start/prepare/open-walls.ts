/** Reports the walls around this pod that are off, before its machine starts. */
import { warnClient } from '../../../bundle/warnings.ts'
import type { Config } from '../../../config/config.ts'
import type { Logger } from '../../../log.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import { type OpenWall, openWalls } from '../../records/open-walls.ts'
import type { ServedShare } from '../../storage/start-share.ts'
import type { StartHost } from '../host.ts'

export interface MachineWalls {
  readonly config: Config
  readonly accelerator: AcceleratorChoice
  readonly share: Pick<ServedShare, 'rootBecause'> | undefined
}

export interface WallsRequest extends MachineWalls {
  /** Where the client reads warnings. */
  readonly bundle: string
  readonly log: Logger
}

/** The walls around a machine that are off. */
export async function openWallsOf(
  { landlockProblem }: Pick<StartHost, 'landlockProblem'>,
  { config, accelerator, share }: MachineWalls,
): Promise<OpenWall[]> {
  return openWalls(config, {
    accelerator,
    virtiofsdRootBecause: share?.rootBecause,
    landlockProblem: config.hypervisor.landlock === 'best-effort' ? await landlockProblem() : undefined,
  })
}

/** Warns of each of them that is off without having been asked for by name. Returns all. */
export async function warnOfOpenWalls(
  host: Pick<StartHost, 'landlockProblem'>,
  { bundle, log, ...machine }: WallsRequest,
): Promise<OpenWall[]> {
  const open = await openWallsOf(host, machine)
  for (const { what, quiet } of open) if (!quiet) warnClient(bundle, what, log)
  return open
}
