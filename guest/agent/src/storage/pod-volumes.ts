/**
 * Volumes of the pod that live in the guest: memory-backed ones, and directories. Every container that uses one asks for it, and the first
 * request makes it. It stays until the pod ends, because the next container (after an init container or a restart) must find the content.
 */
import type { Storage } from '../../../../src/protocol/generated/agent.ts'
import { invalid } from '../errors.ts'
import { isWithin, layers } from '../system/paths.ts'

export interface VolumeTools<Mounted> {
  mount(storage: Storage): Promise<Mounted>
  /** Applies the storage's options to the existing mount. */
  remount(storage: Storage): void
  unmount(mounted: Mounted): Promise<void> | void
}

export class PodVolumes<Mounted = unknown> {
  readonly #tools: VolumeTools<Mounted>
  /** Volumes by mount point. The promise lets several containers ask at once. */
  readonly #volumes = new Map<string, Promise<Mounted>>()

  constructor(tools: VolumeTools<Mounted>) {
    this.#tools = tools
  }

  /** Whether the storage belongs to the pod, not to one container. */
  owns({ driver, shared, options, mountPoint }: Storage): boolean {
    const isPart = options.some((option) => option.startsWith('subpath='))
    // A container's own disks are below `layers`: a directory there goes with them.
    const isLocal = driver === 'local' && !isPart && !isWithin(mountPoint, layers)
    return shared || driver === 'ephemeral' || isLocal
  }

  /** Makes the volume, unless it exists. */
  async require(storage: Storage): Promise<void> {
    const { mountPoint } = storage
    const volume = this.#volumes.get(mountPoint) ?? this.#tools.mount(storage)
    this.#volumes.set(mountPoint, volume)
    try {
      await volume
    } catch (error) {
      this.#volumes.delete(mountPoint)
      throw error
    }
  }

  /** Resizes a memory-backed volume. @throws TtrpcError INVALID_ARGUMENT if the pod has no such volume. */
  update(storage: Storage): void {
    if (storage.driver !== 'ephemeral' || !this.#volumes.has(storage.mountPoint))
      throw invalid(`${storage.mountPoint} is no memory-backed volume of this pod`)
    this.#tools.remount(storage)
  }

  /** Unmounts all volumes. A failure is reported, and the others follow. */
  async release(report: (error: unknown) => void): Promise<void> {
    const made = await Promise.allSettled(this.#volumes.values())
    for (const volume of made.reverse())
      if (volume.status === 'fulfilled')
        try {
          await this.#tools.unmount(volume.value)
        } catch (error) {
          report(error)
        }
  }
}
