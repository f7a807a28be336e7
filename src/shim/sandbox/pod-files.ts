/**
 * What containers of a pod find in /etc and at /dev/shm, though no container made it: the sandbox container's directory has these
 * files where there is one, and containerd leaves them to the sandbox where there is none. Containers read them only: what they
 * wrote would be the host's disk.
 */
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isBind } from '../../oci/mounts.ts'
import type { OciMount, OciSpec } from '../../oci/spec.ts'
import type { DNSConfig, PodSandboxConfig } from '../../protocol/generated/cri/runtime.ts'

export interface PodFiles {
  /** An empty directory. */
  readonly root: string
  readonly resolvConf: string
  readonly hosts: string
  readonly hostname: string
}

/** Longer ones are cut: a resolver reads a handful of lines. */
const maxResolvConfBytes = 64 * 1024
const hostsText = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'

/**
 * Writes them for the pod into its bundle, on the disk where containerd has a place for that. They end with the bundle.
 *
 * @throws KataError SANDBOX_REQUEST for a name or an address that is none.
 */
export function writePodFiles(bundle: string, id: string, config: PodSandboxConfig): PodFiles {
  const work = `${bundle}/work`
  const directory = `${existsSync(work) ? realpathSync(work) : bundle}/pod`
  const at = (name: string) => `${directory}/${name}`
  mkdirSync(at('root'), { recursive: true, mode: 0o755 })
  const write = (name: string, text: string) => {
    writeFileSync(at(name), text, { mode: 0o644 })
    return at(name)
  }
  const hostname = config.hostname || id
  requireWords([hostname], id)
  return {
    root: at('root'),
    resolvConf: write('resolv.conf', resolvConf(config.dnsConfig, id)),
    hosts: write('hosts', hostsText),
    hostname: write('hostname', `${hostname}\n`),
  }
}

/** Without a wish the pod asks whom the host asks. */
function resolvConf(
  { servers = [], searches = [], options = [] }: Partial<DNSConfig> = {},
  id: string,
): string {
  requireWords([...servers, ...searches, ...options], id)
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ]
  return lines.length === 0 ? hostResolvConf() : `${lines.join('\n')}\n`
}

function hostResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8').slice(0, maxResolvConfBytes)
  } catch {
    return ''
  }
}

/** A line of its own would be another one's. */
function requireWords(words: readonly string[], id: string): void {
  const wrong = words.find((word) => !/^[\x21-\x7e]+$/.test(word))
  if (wrong !== undefined)
    throw new KataError('SANDBOX_REQUEST', { id, problem: `${JSON.stringify(wrong)} is no name or address` })
}

/** The specification of a container of the pod with what the pod gives to each, where its client has left that out. */
export function withPodFiles(
  spec: OciSpec,
  files: PodFiles,
  sysctl: Readonly<Record<string, string>>,
): OciSpec {
  const { mounts = [], linux = {} } = spec
  const given: readonly OciMount[] = [
    file('/etc/hostname', files.hostname),
    file('/etc/hosts', files.hosts),
    file('/etc/resolv.conf', files.resolvConf),
  ]
  const missing = given.filter(
    ({ destination }) => !mounts.some((mount) => mount.destination === destination),
  )
  return Object.freeze({
    ...spec,
    mounts: Object.freeze([...mounts.filter((mount) => !isOwnShm(mount)), ...shm(mounts), ...missing]),
    linux: Object.freeze({ ...linux, sysctl: Object.freeze({ ...sysctl, ...linux.sysctl }) }),
  })
}

function file(destination: string, source: string): OciMount {
  return Object.freeze({
    destination,
    source,
    type: 'bind',
    options: Object.freeze(['rbind', 'rprivate', 'ro']),
  })
}

/** A container of a pod has the pod's shared memory, and none of its own, which the default specification gives it. */
const isOwnShm = (mount: OciMount): boolean => mount.destination === '/dev/shm' && !isBind(mount)

/** The source is a word only: storage/mounts.ts puts the guest's in its place. */
function shm(mounts: readonly OciMount[]): OciMount[] {
  if (mounts.some((mount) => mount.destination === '/dev/shm' && isBind(mount))) return []
  const options = Object.freeze(['rbind', 'rprivate', 'rw'])
  return [Object.freeze({ destination: '/dev/shm', source: '/dev/shm', type: 'bind', options })]
}
