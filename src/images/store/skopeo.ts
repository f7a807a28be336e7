/**
 * Skopeo (https://github.com/containers/skopeo) as a child that gets an image from a registry, or from another store of this host. It
 * reads what strangers send, so it has a number for a user, which owns one directory and nothing else: no capability, no group, no way
 * to get any, no other process in sight, and the host's network. For an image of Docker's it has the group of Docker's socket; one in a file
 * is given to it as a copy. Its files are compared with their digests by the caller, once no process of that user is left.
 */
import { randomInt } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { killUids, processesOfUids } from '../../linux/processes/uid-processes.ts'
import { findTool, toolDirectories } from '../../linux/processes/which.ts'
import { bundleOf } from '../../own-bundle.ts'
import { lastWords } from '../../plain-text.ts'
import { sleep } from '../../time.ts'
import type { ImageName } from '../names/image-name.ts'
import type { ImageSource } from '../names/image-source.ts'

export interface SkopeoRun {
  readonly image: ImageName
  /** Where the image comes from; undefined: from its registry. */
  readonly source: ImageSource | undefined
  /** Its own: holds `layout` and, if there are credentials, `auth.json`. */
  readonly directory: string
  readonly hasCredentials: boolean
  readonly uid: number
  readonly tlsVerify: boolean
  /** Proxies are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Bytes that have come so far. */
  readonly received: () => number
  /** Told of them now and then. @throws to end the run. */
  readonly onBytes: (bytes: number) => void
}

/** Between two looks at what has come, milliseconds. */
const lookMs = 200
/** A registry that sends nothing for so long is given up, milliseconds. */
const stallMs = 120_000
/**
 * Ids for one pull each. They are behind all that https://systemd.io/UIDS-GIDS/ assigns, and behind the last id of any sandbox
 * (uid-range.ts).
 */
const [firstUid, lastUid] = [0x7fff0000, 0x7ffffffd]
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Where a copy of the image's file or directory lies, below a run's directory. */
export const sourceCopy = 'source'
const dockerSocket = '/var/run/docker.sock'

/** A uid that no process has. */
export function throwAwayUid(): number {
  for (;;) {
    const uid = randomInt(firstUid, lastUid)
    if (processesOfUids(uid, uid).length === 0) return uid
  }
}

/** Fills `<directory>/layout`. @throws KataError SKOPEO_MISSING, PULL_*; what `onBytes` throws; the signal's reason. */
export async function runSkopeo(run: SkopeoRun): Promise<void> {
  const { image, source, uid, signal, onBytes, received } = run
  signal.throwIfAborted()
  const child = Bun.spawn({
    ...{ cmd: commandLine(run), cwd: '/', env: {}, stdio: ['ignore', 'ignore', 'pipe'] },
  })
  const words = new Response(child.stderr).text()
  try {
    await watch(child.exited)
  } finally {
    child.kill('SIGKILL')
    await child.exited
    await killUids(uid, uid)
  }
  if (child.exitCode !== 0)
    throw source === undefined ? failure(image.full, await words) : unread(source, await words)

  async function watch(exited: Promise<number>): Promise<void> {
    let [last, since] = [-1, Date.now()]
    for (;;) {
      const over = new AbortController()
      const ended = exited.then(() => true)
      const isOver = await Promise.race([
        ended,
        sleep(lookMs, AbortSignal.any([over.signal, signal])).then(() => false),
      ]).finally(() => over.abort())
      const bytes = received()
      onBytes(bytes)
      if (isOver) return
      if (bytes !== last) [last, since] = [bytes, Date.now()]
      if (Date.now() - since > stallMs) {
        const reason = `it sent nothing for ${stallMs / 1000} s`
        throw new KataError('PULL_UNREACHABLE', { image: image.full, reason })
      }
    }
  }
}

function commandLine({ image, source, directory, uid, tlsVerify, hasCredentials, env }: SkopeoRun): string[] {
  const tool = (name: string): string => {
    const path = findTool(name)
    if (path === undefined) throw new KataError('SKOPEO_MISSING', { image: image.full })
    return path
  }
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) =>
    [name, name.toLowerCase()].flatMap((one) => (env[one] === undefined ? [] : [`${one}=${env[one]}`])),
  )
  const path = `PATH=${toolDirectories.join(':')}`
  // Root's own steps: the directory becomes /tmp, so that the user needs no way to where it is.
  const script = 'mount --bind -o nosuid,nodev "$1" /tmp && cd /tmp && shift && exec "$@"'
  return [
    // A parent that dies takes all along: unshare its child, which is the first process of a pid namespace.
    ...[tool('setpriv'), '--pdeathsig', 'KILL', '--'],
    ...[tool('unshare'), '--mount', '--propagation', 'private', '--ipc', '--uts'],
    ...['--pid', '--fork', '--mount-proc', '--kill-child=KILL', '--'],
    ...[tool('env'), '-i', path, tool('sh'), '-c', script, 'sh', directory],
    ...[tool('setpriv'), `--reuid=${uid}`, `--regid=${uid}`, groupOf(source), '--inh-caps=-all'],
    ...['--bounding-set=-all', '--no-new-privs', '--pdeathsig', 'KILL', '--'],
    ...[tool('prlimit'), '--core=0', '--'],
    ...[tool('env'), '-i', 'HOME=/tmp', 'TMPDIR=/tmp', path, ...proxies, ...certificates()],
    ...[
      tool('skopeo'),
      ...policy(),
      '--override-os',
      'linux',
      '--override-arch',
      architectures[process.arch] ?? process.arch,
    ],
    // Layers stay as they are, and so does the digest, if the manifest is OCI's already.
    ...['copy', '--quiet', '--dest-oci-accept-uncompressed-layers'],
    ...(source === undefined ? [`--src-tls-verify=${tlsVerify}`] : []),
    ...(hasCredentials ? ['--authfile', '/tmp/auth.json'] : []),
    ...['--', source === undefined ? `docker://${image.full}` : referenceOf(source), 'oci:/tmp/layout:image'],
  ]
}

const referenceOf = ({ transport, reference, place }: ImageSource): string =>
  place === undefined ? reference : `${transport}:/tmp/${sourceCopy}${place.end}`

/** The group that may speak to Docker; without Docker none, and skopeo says what is missing. */
function groupOf(source: ImageSource | undefined): string {
  const gid =
    source?.transport === 'docker-daemon' ? statSync(dockerSocket, { throwIfNoEntry: false })?.gid : undefined
  return gid === undefined ? '--clear-groups' : `--groups=${gid}`
}

const bundle = bundleOf(process.execPath)

/** The host's policy counts; one of the bundle's takes its place where there is none, because skopeo insists on one. */
const policy = (): string[] =>
  bundle === undefined || existsSync('/etc/containers/policy.json') ? [] : ['--policy', bundle.imagePolicy]

/** Go looks for the host's certificates in the places of every distribution, the first of which these two are. */
const certificates = (): string[] =>
  bundle === undefined || hostCertificates.some((path) => existsSync(path))
    ? []
    : [`SSL_CERT_FILE=${bundle.certificates}`]

const hostCertificates = ['/etc/ssl/certs', '/etc/pki/tls/certs']

/** Another store has no registry's faults. */
function unread({ reference }: ImageSource, words: string): KataError {
  return new KataError('PULL_FAILED', { image: reference, reason: reasonIn(words) })
}

function reasonIn(words: string): string {
  const said = [...words.matchAll(/level=fatal msg="((?:[^"\\]|\\.)*)"/g)].at(-1)?.[1]
  return lastWords((said ?? words).replace(/\\(["\\])/g, '$1'))
}

/** What its last words mean. They hold text of the registry. */
function failure(image: string, words: string): KataError {
  const reason = reasonIn(words)
  const [, code = 'PULL_FAILED'] = meanings.find(([pattern]) => pattern.test(reason)) ?? []
  return new KataError(code as 'PULL_FAILED', { image, reason })
}

/** The first that fits. */
const meanings = [
  [/gave HTTP response to HTTPS client|x509:|tls: /i, 'PULL_TLS'],
  [/manifest unknown|name unknown|not found|no image found/i, 'PULL_UNKNOWN'],
  [/denied|unauthorized|authentication required|invalid username/i, 'PULL_DENIED'],
  [/dial tcp|no such host|connection (refused|reset)|timeout|unreachable|EOF/i, 'PULL_UNREACHABLE'],
] as const
