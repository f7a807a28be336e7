/** All that is decided of a container before anything of it is made. */
import type { NetworkWishes } from '../../bundle/network.ts'
import type { Overrides } from '../../config/overrides.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { LogBounds } from '../../sandbox/records/container-log.ts'
import type { Labels } from '../parse/labels.ts'
import type { FreePort } from '../parse/publish.ts'
import type { RootDisks } from './disk-root.ts'
import type { EtcWishes } from './etc-files.ts'
import type { HealthCheck } from './life/health-check.ts'
import type { RestartPolicy } from './life/restart-policy.ts'
import type { PlaceWish } from './networks/place.ts'

export interface ContainerPlan {
  readonly id: string
  readonly command: readonly string[]
  /** For people. */
  readonly image: string
  readonly imageId?: string | undefined
  /** Called once the record is there, which names the layers: from then on they are in use. */
  readonly onRecorded: () => void
  /** Host directories of the read-only layers, from the top down. */
  readonly layers: readonly string[]
  /** Its root file system is on disks; undefined: it is shared. */
  readonly disks?: RootDisks | undefined
  /** Its VMM has no share, and a copy of the files is its root file system. */
  readonly isCopied?: true | undefined
  readonly spec: OciSpec
  readonly etc: EtcWishes
  readonly interactive: boolean
  /** The keys that leave it. */
  readonly detachKeys: Uint8Array
  readonly terminal: boolean
  readonly autoRemove: boolean
  readonly labels: Labels
  readonly logBounds: LogBounds
  readonly stopSignal?: number | undefined
  readonly stopTimeout?: number | undefined
  readonly restart?: RestartPolicy | undefined
  readonly health?: HealthCheck | undefined
  readonly overrides: Overrides
  /** A network that the shim makes. */
  readonly network?: NetworkWishes | undefined
  /** Its ports that get a free port of the host when its record is made. */
  readonly freePorts?: readonly FreePort[] | undefined
  /** Ports that its image or the command line names: `80/tcp`, or `80-89/tcp`. */
  readonly exposed?: readonly string[] | undefined
  /** Its place on a network that others are on. */
  readonly place?: PlaceWish | undefined
  readonly configFile?: string | undefined
}
