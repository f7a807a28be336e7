/** The decisions about a container before anything of it is made. */
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
  /** The image's name, for people. */
  readonly image: string
  readonly imageId?: string | undefined
  /** Called when the record exists. From then on the record keeps the layers from being removed. */
  readonly onRecorded: () => void
  /** Host directories of the read-only layers, top layer first. */
  readonly layers: readonly string[]
  /** The disks of the root file system; undefined if it is shared. */
  readonly disks?: RootDisks | undefined
  /** The VMM has no share, and the root file system is a copy of the files. */
  readonly isCopied?: true | undefined
  readonly spec: OciSpec
  readonly etc: EtcWishes
  readonly interactive: boolean
  /** The keys that detach from the container. */
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
  /** Ports that get a free port of the host when the record is made. */
  readonly freePorts?: readonly FreePort[] | undefined
  /** Ports named by the image or the command line: `80/tcp`, or `80-89/tcp`. */
  readonly exposed?: readonly string[] | undefined
  /** The container's place on a network with other containers. */
  readonly place?: PlaceWish | undefined
  readonly configFile?: string | undefined
}
