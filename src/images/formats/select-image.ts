/** Which image of an archive is meant, when it holds several. */
import { fullNameOf } from '../names/image-name.ts'
import type { Descriptor, DockerImage } from './image-documents.ts'

/** What a person asks for: a name or tag, or the digest of a manifest. Nothing: the only image that is there. */
export interface Wanted {
  readonly name?: string | undefined
  readonly digest?: string | undefined
}

export type Selection<T> =
  | { readonly kind: 'found'; readonly image: T }
  | { readonly kind: 'ambiguous' | 'unknown'; readonly names: readonly string[] }

/** An entry that an archive lists, under the names that it has there. */
interface Named<T> {
  readonly image: T
  /** The same image has the same key. */
  readonly key: string
  readonly names: readonly string[]
}

/** containerd's and Docker's name of an image in an OCI layout, then the specification's, which is often the tag alone. */
const nameAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name']

/** The whole name of an image in an index. */
export const nameOfDescriptor = ({ annotations = {} }: Descriptor): string | undefined =>
  nameAnnotations.map((key) => annotations[key]).find((name) => name !== undefined)

/** Among the manifests of an index, which are for the right platform already. */
export function selectManifest(manifests: readonly Descriptor[], wanted: Wanted): Selection<Descriptor> {
  const named = manifests.map((image) => ({
    image,
    key: image.digest,
    names: nameAnnotations.flatMap((key) => image.annotations?.[key] ?? []),
  }))
  return select(named, wanted)
}

/** Among those of `docker save`. */
export function selectDockerImage(images: readonly DockerImage[], wanted: Wanted): Selection<DockerImage> {
  return select(
    images.map((image) => ({ image, key: image.Config, names: image.RepoTags ?? [] })),
    wanted,
  )
}

function select<T>(all: readonly Named<T>[], { name, digest }: Wanted): Selection<T> {
  // The first name is the whole one; another is good to be asked for.
  const names = [...new Set(all.flatMap((entry) => entry.names.slice(0, 1)))]
  const fits = ({ key, names: own }: Named<T>) =>
    (digest === undefined || key === digest) && (name === undefined || own.some((one) => isMeant(one, name)))
  const [first, ...others] = all.filter(fits)
  if (first === undefined) return { kind: 'unknown', names }
  return others.every(({ key }) => key === first.key)
    ? { kind: 'found', image: first.image }
    : { kind: 'ambiguous', names }
}

/** A tag alone is enough, if no other image has it. */
const isMeant = (one: string, name: string): boolean =>
  one === name || one.endsWith(`:${name}`) || fullNameOf(one) === fullNameOf(name)
