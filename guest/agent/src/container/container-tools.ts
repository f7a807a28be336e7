/** What containers are made with, and given back with. */
import type { Loop } from '../devices/loop.ts'
import type { PassedDevices } from '../devices/passed-devices.ts'
import type { ExitOf } from '../storage/grow-volume.ts'
import type { PodVolumes } from '../storage/pod-volumes.ts'
import type { SharedSources } from '../storage/shared-sources.ts'
import type { Crun } from './crun.ts'
import type { OomEvents } from './oom.ts'

export interface ContainerTools {
  readonly loop: Loop
  readonly crun: Crun
  readonly oom: OomEvents
  readonly volumes: PodVolumes
  readonly sources: SharedSources
  readonly passed: PassedDevices
  readonly exitOf: ExitOf
}
