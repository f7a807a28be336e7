/**
 * Skopeo (https://github.com/containers/skopeo) gets an image from a registry, or from another store of this host, without any rights
 * (without-rights.ts). For an image of Docker's it has the group of Docker's socket; one in a file is given to it as a copy. Its files are
 * compared with their digests by the caller, once no process of its user is left.
 */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { findTool } from '../../linux/processes/which.ts'
import { bundleOf } from '../../own-bundle.ts'
import { lastWords } from '../../plain-text.ts'
import { architecture } from '../architecture.ts'
import type { ImageName } from '../names/image-name.ts'
import type { ImageSource } from '../names/image-source.ts'
import { dockerSocket, groupOfSocket } from './sockets.ts'
import { type Run, runWithoutRights } from './without-rights.ts'

export interface SkopeoRun extends Pick<Run, 'uid' | 'signal' | 'received' | 'onBytes'> {
  readonly image: ImageName
  /** Where the image comes from; undefined: from its registry. */
  readonly source: ImageSource | undefined
  /** Its own: holds `layout` and, if there are credentials, `auth.json`. */
  readonly directory: string
  readonly hasCredentials: boolean
  readonly tlsVerify: boolean
  /** Proxies and Docker's socket are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Where a copy of the image's file or directory lies, below a run's directory. */
export const sourceCopy = 'source'

/** Fills `<directory>/layout`. @throws KataError SKOPEO_MISSING, PULL_*, OPTION_INVALID; what `onBytes` throws; the signal's reason. */
export async function runSkopeo(run: SkopeoRun): Promise<void> {
  const { image, source, env, directory, uid, signal, received, onBytes } = run
  const docker = source?.transport === 'docker-daemon' ? dockerSocket(env) : undefined
  const { failed, words } = await runWithoutRights({
    argv: commandLine(run, docker),
    environment: { ...proxies(env), ...certificates() },
    uid,
    gid: docker === undefined ? undefined : groupOfSocket(docker),
    directory,
    signal,
    received,
    onBytes,
    stalled: (seconds) =>
      new KataError('PULL_UNREACHABLE', { image: image.full, reason: `it sent nothing for ${seconds} s` }),
  })
  if (failed) throw source === undefined ? failure(image.full, words) : unread(source, words)
}

function commandLine(
  { image, source, tlsVerify, hasCredentials }: SkopeoRun,
  docker: string | undefined,
): string[] {
  const skopeo = findTool('skopeo')
  if (skopeo === undefined) throw new KataError('SKOPEO_MISSING', { image: image.full })
  return [
    ...[skopeo, ...policy(), '--override-os', 'linux'],
    ...['--override-arch', architecture],
    // Layers stay as they are, and so does the digest, if the manifest is OCI's already.
    ...['copy', '--quiet', '--dest-oci-accept-uncompressed-layers'],
    ...(source === undefined ? [`--src-tls-verify=${tlsVerify}`] : []),
    ...(docker === undefined ? [] : [`--src-daemon-host=unix://${docker}`]),
    ...(hasCredentials ? ['--authfile', '/tmp/auth.json'] : []),
    ...['--', source === undefined ? `docker://${image.full}` : referenceOf(source), 'oci:/tmp/layout:image'],
  ]
}

const proxyNames = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()])

const proxies = (env: SkopeoRun['env']): Record<string, string> =>
  Object.fromEntries(
    proxyNames.flatMap((name) => {
      const value = env[name]
      return value === undefined ? [] : [[name, value] as const]
    }),
  )

const referenceOf = ({ transport, reference, place }: ImageSource): string =>
  place === undefined ? reference : `${transport}:/tmp/${sourceCopy}${place.end}`

const bundle = bundleOf(process.execPath)

/** The host's policy counts; one of the bundle's takes its place where there is none, because skopeo insists on one. */
const policy = (): string[] =>
  bundle === undefined || existsSync('/etc/containers/policy.json') ? [] : ['--policy', bundle.imagePolicy]

/** Go looks for the host's certificates in the places of every distribution, the first of which these two are. */
const certificates = (): Record<string, string> =>
  bundle === undefined || hostCertificates.some((path) => existsSync(path))
    ? {}
    : { SSL_CERT_FILE: bundle.certificates }

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
