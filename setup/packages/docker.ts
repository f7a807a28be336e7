/**
 * Docker for the tests that drive it, and iptables for a Docker within a pod: Debian's packages, unpacked below build/. Installed, they would
 * start a daemon that changes the packet filters of the host.
 */
import { join } from 'node:path'
import { buildDir } from '../paths.ts'
import { unpackOnce } from './unpack.ts'

const packages = [
  ...['docker.io', 'docker-cli', 'docker-compose'],
  ...['iptables', 'libxtables12', 'libmnl0', 'libnftnl11'],
]
export const dockerDir = join(buildDir, 'docker')
const iptables = 'usr/sbin/xtables-nft-multi'
export const iptablesPath = join(dockerDir, iptables)

/** Where its programs are then; containerd and runc are the host's. */
export const dockerPath = ['usr/sbin', 'usr/bin'].map((name) => join(dockerDir, name)).join(':')

/**
 * Fetches it unless it is there.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export const provideDocker = (): Promise<void> => unpackOnce(packages, dockerDir, iptables)
