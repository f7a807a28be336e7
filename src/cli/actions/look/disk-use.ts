/** `system df`: sizes on the disk. Containers, volumes and snapshots are those of every namespace. */
import { listImages, storeBytes } from '../../../images/store/image-store.ts'
import { treeBytes } from '../../../images/store/layer-sizes.ts'
import { planPrune } from '../../../images/store/remove-images.ts'
import { storePaths } from '../../../images/store/store-paths.ts'
import { imageUsers } from '../../client/image-users.ts'
import { listNamespaces, readRecords, recordPaths } from '../../client/record.ts'
import { snapshotDirectories } from '../../client/snapshots/store.ts'
import { observe } from '../../client/status.ts'
import { listVolumes, volumePaths } from '../../client/volumes/store.ts'
import { volumeUses } from '../../client/volumes/uses.ts'
import { render } from '../../output/format.ts'
import { byteSize } from '../../output/size.ts'
import { table } from '../../output/table.ts'
import type { Settings } from '../../settings.ts'
import { isPrunable } from '../prune.ts'

interface Use {
  readonly type: 'Images' | 'Containers' | 'Local Volumes' | 'Snapshots'
  readonly total: number
  /** Those that a container has, or that run. */
  readonly active: number
  readonly bytes: number
  /** What `prune --containers` and `volume prune --all` would free. */
  readonly reclaimableBytes: number
}

export async function diskUse(settings: Settings): Promise<number> {
  const uses = [
    ...[await imagesUse(settings), await containersUse(settings)],
    ...[volumesUse(settings), snapshotsUse(settings)],
  ]
  settings.print(
    render(settings.format, uses, (list) =>
      table(
        ['TYPE', 'TOTAL', 'ACTIVE', 'SIZE', 'RECLAIMABLE'],
        list.map(({ type, total, active, bytes, reclaimableBytes }) => [
          ...[type, String(total), String(active), byteSize(bytes), byteSize(reclaimableBytes)],
        ]),
      ),
    ),
  )
  return 0
}

async function imagesUse({ stateDir }: Settings): Promise<Use> {
  const paths = storePaths(stateDir)
  const images = await listImages(paths)
  const users = imageUsers(stateDir)
  const { bytes: reclaimableBytes } = await planPrune(paths, users)
  const bytes = storeBytes(paths)
  const active = images.filter(({ id }) => users.containers.has(id)).length
  return { type: 'Images', total: images.length, active, bytes, reclaimableBytes }
}

async function containersUse(settings: Settings): Promise<Use> {
  const { stateDir } = settings
  const all = listNamespaces(stateDir).flatMap((namespace) =>
    readRecords(stateDir, namespace).map(async (record) => {
      const bytes = treeBytes(recordPaths(stateDir, namespace, record.id).directory)
      const { status } = await observe(record)
      const isActive = !['stopped', 'dead', 'created'].includes(status)
      return { bytes, isActive, isPruned: await isPrunable(settings, record) }
    }),
  )
  const found = await Promise.all(all)
  const sum = (list: typeof found) => list.reduce((total, { bytes }) => total + bytes, 0)
  return {
    type: 'Containers',
    total: found.length,
    active: found.filter(({ isActive }) => isActive).length,
    bytes: sum(found),
    reclaimableBytes: sum(found.filter(({ isPruned }) => isPruned)),
  }
}

function volumesUse(settings: Settings): Use {
  const namespaces = new Set([...listNamespaces(settings.stateDir), settings.namespace])
  const found = [...namespaces].flatMap((namespace) => {
    const store = { ...settings, namespace }
    const uses = volumeUses(store)
    return listVolumes(store).map((name) => {
      const { data } = volumePaths(store, name)
      return { isUsed: uses.has(data), bytes: treeBytes(data) }
    })
  })
  const unused = found.filter(({ isUsed }) => !isUsed)
  const sum = (list: typeof found) => list.reduce((total, { bytes }) => total + bytes, 0)
  return {
    type: 'Local Volumes',
    total: found.length,
    active: found.length - unused.length,
    bytes: sum(found),
    reclaimableBytes: sum(unused),
  }
}

/** No container needs one, and nothing but `snapshot rm` takes it: what was saved cannot be made again. */
function snapshotsUse({ stateDir }: Settings): Use {
  const all = snapshotDirectories(stateDir)
  const bytes = all.reduce((total, directory) => total + treeBytes(directory), 0)
  return { type: 'Snapshots', total: all.length, active: 0, bytes, reclaimableBytes: 0 }
}
