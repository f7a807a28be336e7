/** A few modules out of an archive (archive.ts), as an archive: for a guest that the whole one cannot be shown to. */
import { openSync, readSync } from 'node:fs'
import { closing } from '../../linux/files/open-at.ts'

/** The first line has the index's length in its last ten digits. */
const headerLength = 29

/**
 * An archive of those of `names` that may be asked for, with what they need. It answers to no alias. Undefined when there are none of them.
 *
 * @throws Error for a file of another form; ErrnoException.
 */
export function cutArchive(path: string, names: readonly string[]): Uint8Array | undefined {
  return closing(openSync(path, 'r'), (fd) => {
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length)
      if (readSync(fd, bytes, 0, length, offset) !== length) throw new Error(`${path} is cut`)
      return bytes
    }
    const digits = /^kata-ts-modules 1 (\d{10})\n$/.exec(read(0, headerLength).toString('latin1'))?.[1]
    if (digits === undefined) throw new Error(`${path} is no archive of kernel modules`)
    const modules = readIndex(read(headerLength, Number(digits)).toString('latin1'))
    const asked = names
      .map((name) => name.replaceAll('-', '_'))
      .filter((name) => modules.get(name)?.kind === 'm')
    const needed = [...new Set(asked.flatMap((name) => modules.get(name)!.order))].sort()
    if (needed.length === 0) return undefined
    const start = headerLength + Number(digits)
    const bodies = needed.map((name) => read(start + modules.get(name)!.offset, modules.get(name)!.size))
    let offset = 0
    const lines = needed.map((name, index) => {
      const line = [
        asked.includes(name) ? 'm' : 'd',
        name,
        offset,
        bodies[index]!.length,
        ...modules.get(name)!.order,
      ]
      offset += bodies[index]!.length
      return `${line.join(' ')}\n`
    })
    const text = lines.join('')
    return Buffer.concat([
      Buffer.from(`kata-ts-modules 1 ${String(text.length).padStart(10, '0')}\n${text}`),
      ...bodies,
    ])
  })
}

interface Indexed {
  readonly kind: string
  /** From the index's end on, bytes. */
  readonly offset: number
  readonly size: number
  /** What to load, itself last. */
  readonly order: readonly string[]
}

function readIndex(text: string): ReadonlyMap<string, Indexed> {
  const lines = text.split('\n').map((line) => line.split(' '))
  return new Map(
    lines
      .filter(([kind]) => kind === 'm' || kind === 'd')
      .map(([kind = '', name = '', offset, size, ...order]) => [
        name,
        { kind, offset: Number(offset), size: Number(size), order },
      ]),
  )
}
