/** How an image came to be, as its author's tools have noted it. */
import { list, record } from '../../json/compounds.ts'
import { bool, text, textUpTo } from '../../json/values.ts'
import { findImage } from './image-store.ts'
import { layerBytes } from './layer-sizes.ts'
import type { StorePaths } from './store-paths.ts'
import { maxConfigBytes, storedConfig } from './stored-config.ts'

export interface HistoryStep {
  /** ISO 8601, as the image says. */
  readonly created: string | null
  readonly createdBy: string
  readonly comment: string
  /** The size of its layer, unpacked; 0 for a step without one. */
  readonly bytes: number
}

interface Noted {
  readonly created?: string
  readonly created_by?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

const readHistory = record<{ readonly history?: readonly Noted[] }>({
  history: list(
    // A step of a Dockerfile may have a whole script in it.
    record<Noted>({ created: text, created_by: textUpTo(maxConfigBytes), comment: text, empty_layer: bool }),
  ),
})

/** The newest step first. `name`: a name or an id. @throws KataError IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_STORE_CORRUPT. */
export async function imageHistory(paths: StorePaths, name: string): Promise<HistoryStep[]> {
  const image = await findImage(paths, name)
  const { history = [] } = storedConfig(paths, image, readHistory)
  const layers = [...image.layers]
  const step = ({ created = '', created_by = '', comment = '', empty_layer = false }: Noted): HistoryStep => {
    const layer = empty_layer ? undefined : layers.pop()
    const time = Date.parse(created)
    return {
      created: Number.isNaN(time) ? null : new Date(time).toISOString(),
      createdBy: created_by,
      comment,
      bytes: layer === undefined ? 0 : (layerBytes(paths, layer) ?? 0),
    }
  }
  // From the top down: of what a tool has noted nothing, the lowest layers are.
  const known = history.toReversed().map(step)
  const rest = layers.toReversed().map((layer) => ({
    created: null,
    createdBy: '',
    comment: '',
    bytes: layerBytes(paths, layer) ?? 0,
  }))
  return [...known, ...rest]
}
