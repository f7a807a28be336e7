/** For tests: tar archives with any header, also those that tar(1) refuses to make. */

export interface TestEntry {
  readonly name: string
  /** Type flag; default a file. */
  readonly type?: string
  readonly content?: string | Uint8Array
  readonly linkName?: string
  readonly mode?: number
  readonly uid?: number
  readonly pax?: Readonly<Record<string, string>>
}

/** A ustar archive with these entries, in order. */
export function makeTar(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(1024)])
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`
}

/** An OCI image layout as a tar. `layers` are uncompressed layers and how to store each. */
export function makeOciArchive(
  layers: readonly { tar: Buffer; stored?: Buffer }[],
  config: unknown = {},
  change: (files: Map<string, Buffer>) => void = () => {},
): Buffer {
  const files = makeOciFiles(layers, config)
  change(files)
  return makeTar([...files].map(([name, content]) => ({ name, content })))
}

/** The files of an OCI image layout, by name. */
export function makeOciFiles(
  layers: readonly { tar: Buffer; stored?: Buffer }[],
  config: unknown = {},
): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const blob = (bytes: Buffer) => {
    files.set(`blobs/sha256/${sha256(bytes).slice(7)}`, bytes)
    return { digest: sha256(bytes), size: bytes.length }
  }
  const type = (name: string) => ({ mediaType: `application/vnd.oci.image.${name}` })
  const layerType = (isPlain: boolean) => type(`layer.v1.tar${isPlain ? '' : '+gzip'}`)
  const rootfs = { type: 'layers', diff_ids: layers.map(({ tar }) => sha256(tar)) }
  const manifest = blob(
    json({
      schemaVersion: 2,
      ...type('manifest.v1+json'),
      config: {
        ...type('config.v1+json'),
        ...blob(json({ architecture: 'amd64', os: 'linux', config, rootfs })),
      },
      layers: layers.map(({ tar, stored = tar }) => ({ ...layerType(stored === tar), ...blob(stored) })),
    }),
  )
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  files.set(
    'index.json',
    json({ schemaVersion: 2, manifests: [{ ...type('manifest.v1+json'), ...manifest }] }),
  )
  return files
}

function entryBlocks(entry: TestEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '')
  const pax = Object.entries(entry.pax ?? {}).map(([key, value]) => paxRecord(key, value))
  const extension =
    pax.length === 0 ? [] : entryBlocks({ name: 'pax', type: 'x', content: Buffer.concat(pax) })
  return [
    ...extension,
    header(entry, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]
}

function header({ name, type = '0', linkName = '', mode = 0o644, uid = 0 }: TestEntry, size: number): Buffer {
  const block = Buffer.alloc(512)
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), at)
  block.write(name, 0, 100)
  octal(mode, 100, 8)
  octal(uid, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(1_000_000_000, 136, 12)
  block.write(type, 156)
  block.write(linkName, 157, 100)
  block.write('ustar\x0000', 257, 'latin1')
  block.fill(' ', 148, 156)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return block
}

/** The record's length counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`
  const rest = Buffer.byteLength(body)
  let length = rest
  while (length !== rest + `${length}`.length) length = rest + `${length}`.length
  return Buffer.from(`${length}${body}`)
}
