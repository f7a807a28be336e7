/** The two paths of `cp`: one of them is `NAME:PATH`, in a container. */
import { KataError } from '../../errors.ts'
import { isName } from './name.ts'

export type CopyPath =
  | { readonly where: 'host'; readonly path: string }
  | { readonly where: 'container'; readonly name: string; readonly path: string }
  /** A tar on our own standard input or output. */
  | { readonly where: 'stream' }

export interface CopyPlan {
  readonly source: CopyPath
  readonly destination: CopyPath
}

/** @throws KataError COPY_PATH_INVALID: exactly one of both has to be in a container. */
export function parseCopy(source: string, destination: string): CopyPlan {
  const plan = { source: parsePath(source), destination: parsePath(destination) }
  const refuse = (reason: string) => new KataError('COPY_PATH_INVALID', { source, destination, reason })
  const inside = Object.values(plan).filter(({ where }) => where === 'container')
  if (inside.length === 0) throw refuse('neither path is in a container')
  if (inside.length > 1) throw refuse('both paths are in containers; copy to the host first')
  if ([source, destination].some((path) => path === '' || path.includes('\0')))
    throw refuse('a path is empty')
  return plan
}

/** As docker: a path that begins like a path is one of the host, whatever colons it has. */
function parsePath(text: string): CopyPath {
  if (text === '-') return { where: 'stream' }
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(colon, 0))
  if (colon < 1 || !isName(name)) return { where: 'host', path: text }
  return { where: 'container', name, path: text.slice(colon + 1) || '/' }
}
