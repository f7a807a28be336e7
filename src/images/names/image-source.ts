/** Images of other stores of this host: `containerd:k8s.io/quay.io/a/b:1`, and by skopeo's names `docker-daemon:nginx:latest`, `oci:/srv/layout:1.0`. */
import { basename, resolve } from 'node:path'
import { KataError } from '../../errors.ts'
import { type ImageName, namesRegistry, parseImageName } from './image-name.ts'

/** containerd's store, and of skopeo's transports those that lead to no registry. */
const transports = ['containerd', 'docker-daemon', 'oci', 'oci-archive', 'docker-archive', 'dir'] as const
/** Podman's own store takes root's locks and mounts, which a reader of images gets from nobody. */
const podmansStore = 'containers-storage:'

export type Transport = (typeof transports)[number]

export interface ImageSource {
  readonly transport: Transport
  /** As skopeo has it, and for containerd with namespace and full name. It begins with the transport, so it is no option. */
  readonly reference: string
  /** A file or directory that it is in, and what of a reference stands behind it. */
  readonly place?: { readonly path: string; readonly end: string }
  /** The namespace of containerd's that it is in. */
  readonly namespace?: string
  /** What the image is called in the store. */
  readonly name: ImageName
}

/** What an image is read from; undefined for the name of an image. `docker://oci:1` is a name, too. */
export function transportOf(text: string): Transport | undefined {
  return transports.find((transport) => text.startsWith(`${transport}:`))
}

/**
 * Undefined for the name of an image. An image without a name gets that of its file or directory: `localhost/layout:1.0`, so that
 * it is never taken for one of a registry.
 *
 * @throws KataError IMAGE_NAME_INVALID.
 */
export function parseImageSource(text: string): ImageSource | undefined {
  const refuse = (reason: string) => new KataError('IMAGE_NAME_INVALID', { name: text, reason })
  if (text.startsWith(podmansStore))
    throw refuse('podman’s store is not read; run `podman save NAME | kata-ts load`')
  const transport = transportOf(text)
  if (transport === undefined) return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused.
  if (/[\x00-\x1f\x7f]/.test(text)) throw refuse('it has control characters')
  const rest = text.slice(transport.length + 1)
  if (rest === '') throw refuse(`nothing follows ${transport}:`)
  if (/^sha256:[0-9a-f]{64}$/.test(rest)) throw refuse('an id is no name for the store')
  if (transport === 'containerd') return ofContainerd(rest, refuse)
  if (transport === 'docker-daemon') return ofDocker(rest)
  return ofPath(transport, rest)
}

/** As containerd's identifiers, which are names of directories, too. */
const namespacePattern = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/
const mostNamespaceBytes = 76

/**
 * `[NAMESPACE/]IMAGE`. In front of a registry's name stands a namespace: `k8s.io/pause` is an image of the namespace `default`, and
 * `k8s.io/quay.io/pause` one of the namespace `k8s.io`, whatever namespaces containerd has.
 */
function ofContainerd(rest: string, refuse: (reason: string) => KataError): ImageSource {
  const [, first = '', others = ''] = /^([^/]*)\/(.*)$/.exec(rest) ?? []
  const hasNamespace = namesRegistry(others)
  const namespace = hasNamespace ? first : 'default'
  if (!namespacePattern.test(namespace) || namespace.length > mostNamespaceBytes)
    throw refuse(`"${namespace}" is not a namespace of containerd`)
  const name = parseImageName(hasNamespace ? others : rest)
  return { transport: 'containerd', reference: `containerd:${namespace}/${name.full}`, namespace, name }
}

/** Skopeo adds no tag there. */
function ofDocker(rest: string): ImageSource {
  const name = parseImageName(rest)
  const hasEnd = /[:@][^/]*$/.test(rest)
  return { transport: 'docker-daemon', reference: `docker-daemon:${rest}${hasEnd ? '' : ':latest'}`, name }
}

/** `PATH`, `PATH:NAME` or `PATH:@NUMBER`; skopeo takes no path with a colon. A directory is one without anything behind it. */
function ofPath(transport: Transport, rest: string): ImageSource {
  const colon = transport === 'dir' ? -1 : rest.indexOf(':')
  const [path, end] = colon < 0 ? [rest, ''] : [rest.slice(0, colon), rest.slice(colon + 1)]
  const whole = resolve(path)
  const behind = colon < 0 ? '' : `:${end}`
  const source = {
    transport,
    reference: `${transport}:${whole}${behind}`,
    place: { path: whole, end: behind },
  }
  const isName = /[/:]/.test(end) || (transport === 'docker-archive' && end !== '')
  if (isName && !end.startsWith('@')) return { ...source, name: parseImageName(end) }
  const tag = end === '' || end.startsWith('@') ? '' : `:${end}`
  const file = basename(whole).replace(/\.tar(\.\w+)?$/, '')
  return { ...source, name: parseImageName(`localhost/${file.toLowerCase()}${tag}`) }
}
