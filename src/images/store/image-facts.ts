/** All that an image of the store says about itself, in docker's words. */
import { dictionary, list, record } from '../../json/compounds.ts'
import { anything } from '../../json/document.ts'
import { text } from '../../json/values.ts'
import { parseImageName } from '../names/image-name.ts'
import { findImage, listImages, type StoredImage } from './image-store.ts'
import type { StorePaths } from './store-paths.ts'
import { storedConfig } from './stored-config.ts'

/** As `docker image inspect` has it, and when we got the image. */
export interface ImageFacts {
  /** Digest of its configuration. */
  readonly Id: string
  /** All names of an image with this configuration. */
  readonly RepoTags: readonly string[]
  readonly RepoDigests: readonly string[]
  /** ISO 8601; empty where the image does not say. */
  readonly Created: string
  readonly Author: string
  readonly Architecture: string
  readonly Os: string
  /** Bytes of its unpacked layers and of its disk. */
  readonly Size: number
  /** How its container is run, as the image has it. */
  readonly Config: Readonly<Record<string, unknown>>
  /** Digests of its unpacked layers, lowest first. */
  readonly RootFS: { readonly Type: 'layers'; readonly Layers: readonly string[] }
  /** ISO 8601. */
  readonly PulledAt: string
}

interface Document {
  readonly author?: string
  readonly architecture?: string
  readonly os?: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly rootfs?: { readonly diff_ids?: readonly string[] }
}

const readDocument = record<Document>({
  author: text,
  architecture: text,
  os: text,
  config: dictionary(anything),
  rootfs: record<NonNullable<Document['rootfs']>>({ diff_ids: list(text) }),
})

/** `name`: a name or an id. @throws KataError IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_NAME_INVALID, IMAGE_STORE_CORRUPT. */
export async function imageFacts(paths: StorePaths, name: string): Promise<ImageFacts> {
  const image = await findImage(paths, name)
  const said = storedConfig(paths, image, readDocument)
  const same = (await listImages(paths)).filter(({ id }) => id === image.id)
  return {
    Id: image.id,
    RepoTags: same.map((one) => one.name).filter((full) => parseImageName(full).tag !== undefined),
    RepoDigests: [...new Set(same.map(withDigest))],
    Created: image.created ?? '',
    Author: said.author ?? '',
    Architecture: said.architecture ?? '',
    Os: said.os ?? '',
    Size: image.bytes,
    Config: said.config ?? {},
    RootFS: { Type: 'layers', Layers: said.rootfs?.diff_ids ?? [] },
    PulledAt: image.pulledAt,
  }
}

function withDigest({ name, digest }: StoredImage): string {
  const { registry, repository } = parseImageName(name)
  return `${registry}/${repository}@${digest}`
}
