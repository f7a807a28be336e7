/** What skopeo is given besides a user of its own, by where it reads an image. */
import { statSync } from 'node:fs'
import type { Transport } from '../names/image-source.ts'

export interface SkopeoRights {
  /** Options of setpriv(1). */
  readonly words: readonly string[]
  /** It reads a path of the host's. */
  readonly seesPaths: boolean
  readonly isRoot: boolean
}

const dockerSocket = '/var/run/docker.sock'
/** Skopeo asks for the first six; layers of podman's store are mounted to be read. */
const storageCapabilities = ['chown', 'dac_override', 'fowner', 'fsetid', 'mknod', 'setfcap', 'sys_admin']

/** A registry needs none. */
export function rightsOf(transport: Transport | undefined): SkopeoRights {
  switch (transport) {
    case undefined:
      return { words: [...noGroups, ...only([])], seesPaths: false, isRoot: false }
    case 'docker-daemon':
      return { words: [...ownersOf(dockerSocket), ...only([])], seesPaths: false, isRoot: false }
    case 'containers-storage':
      // Its locks and mounts are root's; podman itself is no less.
      return { words: [...noGroups, ...only(storageCapabilities)], seesPaths: true, isRoot: true }
    default:
      return {
        words: [...noGroups, ...only(['dac_read_search']), ...askedToo],
        seesPaths: true,
        isRoot: false,
      }
  }
}

const noGroups = ['--clear-groups']

/** A capability counts for access(2), too, by which skopeo asks whether a path is there. */
const askedToo = ['--securebits=+no_setuid_fixup']

/** The group that may speak to Docker; without Docker none, and skopeo says what is missing. */
function ownersOf(socket: string): readonly string[] {
  const gid = statSync(socket, { throwIfNoEntry: false })?.gid
  return gid === undefined ? noGroups : [`--groups=${gid}`]
}

function only(capabilities: readonly string[]): readonly string[] {
  const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',')
  return [`--inh-caps=${list}`, `--ambient-caps=${list}`, `--bounding-set=${list}`]
}
