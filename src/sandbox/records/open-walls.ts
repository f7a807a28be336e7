/**
 * The walls around a pod that are off: by file, annotation or option, or because the host cannot have them. Every start warns
 * of them, and `ps`, `check`, `audit` and `inspect` show them; all read this one list.
 */
import type { Config } from '../../config/config.ts'
import { type KeySpec, keysFor, tableName } from '../../config/keys.ts'
import { present, sectionsOf } from '../../config/sections.ts'
import { quoteValue } from '../../config/value-types.ts'
import { type WallName, wallNames } from '../../config/wall-names.ts'
import { needed, record } from '../../json/compounds.ts'
import { bool, choice, text } from '../../json/values.ts'

export interface OpenWall {
  readonly wall: WallName
  /** For a person: what is not confined, and why. */
  readonly what: string
  readonly remedy: string
  /** It was asked for by name, so no start repeats it. */
  readonly quiet: boolean
}

export const readOpenWall = record<OpenWall>({
  wall: needed(choice(...wallNames)),
  what: needed(text),
  remedy: needed(text),
  quiet: needed(bool),
})

/** What a start found out, or a check foresees; absent: not known. */
export interface WallFindings {
  readonly accelerator: { readonly accelerator: 'kvm' | 'tcg' | 'unknown'; readonly reason: string }
  /** Why virtiofsd is root; absent where it is not, or nothing is shared. */
  readonly virtiofsdRootBecause?: string | undefined
  /** Why Landlock does not hold; absent where it does, or where nothing starts without. */
  readonly landlockProblem?: string | undefined
}

export function openWalls(config: Config, found: WallFindings): OpenWall[] {
  const { driver } = config.hypervisor
  const table = tableName(driver, 'hypervisor')
  const open = keysFor(driver).flatMap((spec) => openedBy(spec, config))
  if (found.accelerator.accelerator === 'tcg') open.push(emulation(config, found.accelerator.reason))
  if (found.virtiofsdRootBecause !== undefined)
    open.push({
      wall: 'virtiofsd',
      what: `virtiofsd is root of this host: ${found.virtiofsdRootBecause}`,
      remedy: 'Set virtio_fs_privilege = "unprivileged", which refuses what takes no id map.',
      quiet: false,
    })
  const suidVolumes = suidVolumesOf(config)
  if (suidVolumes.length > 0)
    open.push({
      wall: 'suid-volumes',
      what: `containers may leave set-user-id programs in volumes below ${quoteValue(suidVolumes)} (virtio_fs_suid_volumes)`,
      remedy: `Set virtio_fs_suid_volumes = [] in [${table}], or virtio_fs_nosuid = true. Where a pod's annotation sets it, take it out of enable_annotations.`,
      quiet: false,
    })
  if (found.landlockProblem !== undefined)
    open.push({
      wall: 'landlock',
      what: `the VMM runs without Landlock, as landlock = "best-effort" allows: ${found.landlockProblem}`,
      remedy: `Set landlock = "required" in [${table}], on a host that has it.`,
      quiet: false,
    })
  return open
}

/** What the value of one key alone leaves open. */
function openedBy(spec: KeySpec, config: Config): OpenWall[] {
  const { opens, drivers, key, shipped, table } = spec
  const { driver } = config.hypervisor
  if (opens === undefined || !drivers.includes(driver)) return []
  const what = opens.what(present(sectionsOf(config), spec))
  if (what === undefined) return []
  const remedy = `Set ${key} = ${quoteValue(shipped)} in [${tableName(driver, table)}].`
  return [{ wall: opens.wall, what, remedy, quiet: false }]
}

function suidVolumesOf({ hypervisor }: Config): string[] {
  const { sharedFs, virtioFsNosuid, virtioFsSuidVolumes } = hypervisor
  if (sharedFs === 'none' || virtioFsNosuid) return []
  return virtioFsSuidVolumes.filter((path) => path !== '')
}

function emulation({ hypervisor }: Config, reason: string): OpenWall {
  const tcg = 'this machine runs under TCG emulation, which is many times slower and no security boundary'
  if (hypervisor.accelerator === 'tcg')
    return {
      wall: 'kvm',
      what: `${tcg}, as accelerator = "tcg" asks`,
      remedy: 'Set accelerator = "kvm" where KVM can be used.',
      quiet: true,
    }
  return {
    wall: 'kvm',
    what:
      `${tcg}, because KVM cannot be used: ${reason} ` +
      `(accelerator = "kvm" refuses such a start, "tcg" asks for it without this warning)`,
    remedy: 'Remove what keeps KVM from being used, or set accelerator = "tcg" if you want emulation.',
    quiet: false,
  }
}
