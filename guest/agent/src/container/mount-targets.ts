/**
 * Mount destinations behind links of the image that lead to what is not there: /var/run, a link to /run in an image without one. runc makes
 * what such a link leads to, and Kata's agent does. crun (1.21) does for most files and for no directory.
 */
import { mkdir, stat } from 'os'
import type { Mount } from '../../../../src/protocol/generated/oci.ts'
import { exists, isDirectory, linkTarget, save } from '../system/files.ts'

/** As the kernel follows, at most. */
const mostLinks = 40

/**
 * Makes what links in `root` lead to on the way to a mount's destination. Nobody else changes `root` meanwhile: its container has not begun.
 * Whether anything was made.
 */
export function makeLinkTargets(root: string, mounts: readonly Mount[]): boolean {
  // Each of them, so no `some`.
  return mounts.map((mount) => makeLinkTarget(root, mount)).includes(true)
}

function makeLinkTarget(root: string, mount: Mount): boolean {
  const left = namesOf(mount.destination)
  /** Without links: no step leads out of the root. */
  const at: string[] = []
  let links = 0
  let hasMade = false
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '..') {
      at.pop()
      continue
    }
    const path = [root, ...at, name].join('/')
    const target = linkTarget(path)
    if (target !== undefined) {
      links += 1
      if (links > mostLinks) return hasMade
      if (target.startsWith('/')) at.length = 0
      left.unshift(...namesOf(target))
      continue
    }
    at.push(name)
    if (exists(path)) continue
    // crun makes all the rest itself.
    if (links === 0 || !make(path, left.length > 0 || bindsDirectory(mount))) return hasMade
    hasMade = true
  }
  return hasMade
}

/** Whether it is there then. */
function make(path: string, directory: boolean): boolean {
  if (directory) return mkdir(path, 0o755) === 0
  try {
    save(path, '', 0o644)
    return true
  } catch {
    return false
  }
}

/** A file system of its own is one, too. */
function bindsDirectory({ source, options }: Mount): boolean {
  if (!options.some((option) => option === 'bind' || option === 'rbind')) return true
  const [facts, error] = stat(source)
  return error === 0 && isDirectory(facts)
}

const namesOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
