/** A registry on loopback that serves images from memory: as much of the distribution protocol as a pull needs. */
import { sha256 } from '../testing.ts'

export interface RegistryDouble extends AsyncDisposable {
  /** `127.0.0.1:PORT`, by plain HTTP. */
  readonly host: string
  /** Bodies by digest; a test may damage them. */
  readonly blobs: Map<string, Buffer>
  /** Manifests and indexes by `NAME:TAG` and `NAME:DIGEST`; a test may exchange them. */
  readonly manifests: Map<string, Buffer>
  /** Paths that were asked for by GET. */
  readonly asked: string[]
  /** How blobs are sent; a test may make that slow. What is below `private/` is handed out to nobody. */
  send: (body: Buffer) => Response
  /** What manifests begin with. */
  beginning: string
  /** Adds an image of these layers (uncompressed tars), and returns the digest of its manifest. */
  add(name: string, tag: string, layers: readonly Buffer[], config?: unknown): string
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

export function startRegistry(): RegistryDouble {
  const blobs = new Map<string, Buffer>()
  const manifests = new Map<string, Buffer>()
  const asked: string[] = []
  const keep = (mediaType: string, bytes: Buffer) => {
    const digest = sha256(bytes)
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer })
  const registry: RegistryDouble = {
    host: `127.0.0.1:${server.port}`,
    blobs,
    manifests,
    asked,
    beginning: '',
    send: (body) => new Response(new Uint8Array(body)),
    add(name, tag, layers, config = {}) {
      const document = {
        architecture: 'amd64',
        os: 'linux',
        created: '2024-05-06T07:08:09Z',
        config,
        rootfs: { type: 'layers', diff_ids: layers.map(sha256) },
      }
      const manifest = Buffer.from(
        registry.beginning +
          JSON.stringify({
            schemaVersion: 2,
            mediaType: manifestType,
            config: keep('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(document))),
            layers: layers.map((tar) => keep('application/vnd.oci.image.layer.v1.tar', tar)),
          }),
      )
      for (const reference of [tag, sha256(manifest)]) manifests.set(`${name}:${reference}`, manifest)
      return sha256(manifest)
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  }
  return registry

  function answer(request: Request): Response {
    const { pathname } = new URL(request.url)
    if (request.method === 'GET') asked.push(pathname)
    if (pathname === '/v2/') return new Response('{}')
    if (pathname.startsWith('/v2/private/'))
      return Response.json({ errors: [{ code: 'DENIED', message: 'access denied' }] }, { status: 403 })
    const [, name = '', kind, reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    const found = kind === 'manifests' ? manifests.get(`${name}:${reference}`) : blobs.get(reference)
    if (found === undefined) {
      const code = kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN'
      return Response.json(
        { errors: [{ code, message: code.toLowerCase().replace('_', ' ') }] },
        { status: 404 },
      )
    }
    if (kind !== 'manifests') return registry.send(found)
    const { mediaType } = JSON.parse(found.toString('utf8'))
    // Whatever it sends, it calls it what it was asked for.
    const digest = reference.startsWith('sha256:') ? reference : sha256(found)
    const headers = { 'content-type': mediaType, 'docker-content-digest': digest }
    return new Response(new Uint8Array(found), { headers })
  }
}
