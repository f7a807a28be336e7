/** Docker's API on a unix socket, as much as the reader of an image needs: it serves archives as `docker save` writes them. */
import { makeTar, sha256 } from '../testing.ts'

export interface DockerDouble extends AsyncDisposable {
  /** Paths with queries that were asked for. */
  readonly asked: string[]
  /** An image of one layer, an uncompressed tar. */
  add(name: string, layer: Buffer): void
}

export function startDocker(socket: string): DockerDouble {
  const archives = new Map<string, Buffer>()
  const asked: string[] = []
  const server = Bun.serve({ unix: socket, fetch: answer })
  return {
    asked,
    add(name, layer) {
      const document = {
        architecture: 'amd64',
        os: 'linux',
        created: '2024-05-06T07:08:09Z',
        config: {},
        rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
      }
      const config = `${sha256(Buffer.from(JSON.stringify(document))).slice(7)}.json`
      const layers = ['layer.tar']
      const archive = makeTar([
        { name: config, content: JSON.stringify(document) },
        { name: 'layer.tar', content: layer },
        {
          name: 'manifest.json',
          content: JSON.stringify([{ Config: config, RepoTags: [name], Layers: layers }]),
        },
      ])
      archives.set(name, archive)
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  }

  function answer(request: Request): Response {
    const { pathname, search, searchParams } = new URL(request.url)
    asked.push(`${pathname}${search}`)
    const headers = { 'api-version': '1.45' }
    if (pathname.endsWith('/_ping')) return new Response('OK', { headers })
    const name = searchParams.get('names') ?? /\/images\/(.+)\/get$/.exec(pathname)?.[1] ?? ''
    const archive = archives.get(decodeURIComponent(name))
    if (archive === undefined)
      return Response.json({ message: `No such image: ${name}` }, { status: 404, headers })
    return new Response(new Uint8Array(archive), {
      headers: { ...headers, 'content-type': 'application/x-tar' },
    })
  }
}
