/** The JSON documents of an image: of an OCI image layout (image-spec), and of what `docker save` wrote before it. */
import { dictionary, list, needed, record } from '../../json/compounds.ts'
import { text } from '../../json/values.ts'
import { type ImageConfig, readImageConfig } from './image-config.ts'

export interface Descriptor {
  readonly digest: string
  readonly mediaType?: string
  readonly platform?: { readonly os?: string; readonly architecture?: string }
  readonly annotations?: Readonly<Record<string, string>>
}

/** An index has `manifests`, a manifest the others. */
export interface Manifest {
  readonly manifests?: readonly Descriptor[]
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
}

export interface ImageFile {
  /** RFC 3339. */
  readonly created?: string
  readonly config?: ImageConfig
  readonly rootfs?: { readonly diff_ids?: readonly string[] }
}

/** Names of files of the archive. */
export interface DockerImage {
  readonly Config: string
  readonly Layers: readonly string[]
  /** `name:tag` */
  readonly RepoTags?: readonly string[]
}

const descriptor = record<Descriptor>({
  digest: needed(text),
  mediaType: text,
  platform: record<{ readonly os?: string; readonly architecture?: string }>({
    os: text,
    architecture: text,
  }),
  annotations: dictionary(text),
})

export const readManifest = record<Manifest>({
  manifests: list(descriptor),
  config: descriptor,
  layers: list(descriptor),
})

export const readImageFile = record<ImageFile>({
  created: text,
  config: readImageConfig,
  rootfs: record<{ readonly diff_ids?: readonly string[] }>({ diff_ids: list(text) }),
})

export const readDockerManifest = list(
  record<DockerImage>({ Config: needed(text), Layers: needed(list(text)), RepoTags: list(text) }),
)
