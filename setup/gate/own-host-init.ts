/** PID 1 of a host of its own (own-host.ts): sets it up, and runs a program on it. `bun own-host-init.ts DIRECTORY [cgroup,net] PROGRAM ARGS` */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupHierarchy, cgroupHierarchies } from '../../src/linux/cgroups/cgroup.ts'
import { bindMount, mount, unmount } from '../../src/linux/mounts/mount.ts'
import { ownChild, supervise } from './supervise.ts'

const cgroupRoot = '/sys/fs/cgroup'
const stateDir = '/var/lib/kata-ts'
/** A host that is connected, to a network on which nobody answers. */
const network = [
  'link set lo up',
  'link add eth0 type veth peer name peer0',
  'link set peer0 up',
  'link set eth0 up',
  'addr add 192.0.2.2/24 dev eth0',
  'route add default via 192.0.2.1',
]
/** Where the kernel has IPv6. */
const network6 = ['addr add fd00::2/64 dev eth0 nodad', '-6 route add default via fd00::1 dev eth0']

const [directory = '', own = '', ...program] = process.argv.slice(2)
supervise([], ({ exitCode }) => process.exit(exitCode))
copyEtc(join(directory, 'etc'))
makeStateDir(join(directory, 'state'))
makeRun()
const hierarchies = cgroupHierarchies()
if (own.includes('cgroup')) unmount(cgroupRoot)
if (own.includes('net')) connect()
if (own.includes('cgroup')) mountCgroups(hierarchies)
process.exit(await ownChild(Bun.spawn(program, { stdio: ['inherit', 'inherit', 'inherit'] })).exited)

/** Accounts are lines of files there, and what locks them are files too. */
function copyEtc(copy: string): void {
  // On many hosts a link into /run.
  const resolver = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf') : ''
  run('cp', '--archive', '/etc', copy)
  rmSync(join(copy, 'resolv.conf'), { force: true })
  writeFileSync(join(copy, 'resolv.conf'), resolver)
  bindMount(copy, '/etc')
}

function makeStateDir(own: string): void {
  mkdirSync(own, { mode: 0o700 })
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  bindMount(own, stateDir)
}

/** The hierarchies there were, at the same places and from this host's cgroups on. */
function mountCgroups(hierarchies: readonly CgroupHierarchy[]): void {
  if (!hierarchies.some(({ point }) => point === cgroupRoot))
    mount({ source: 'tmpfs', target: cgroupRoot, type: 'tmpfs', data: 'mode=0755' })
  for (const { point, version, controllers } of hierarchies) {
    mkdirSync(point, { recursive: true })
    if (version === 1) mount({ source: 'cgroup', target: point, type: 'cgroup', data: controllers.join() })
    else mount({ source: 'cgroup2', target: point, type: 'cgroup2' })
  }
}

function makeRun(): void {
  mount({ source: 'tmpfs', target: '/run', type: 'tmpfs', data: 'mode=0755' })
  mount({ source: 'tmpfs', target: '/dev/shm', type: 'tmpfs', data: 'mode=1777' })
  for (const name of ['lock', 'netns', 'user']) mkdirSync(`/run/${name}`)
}

function connect(): void {
  // It shows the interfaces of the network namespace in which it is mounted.
  mount({ source: 'sysfs', target: '/sys', type: 'sysfs' })
  for (const line of network) run('ip', ...line.split(' '))
  for (const line of network6) Bun.spawnSync(['ip', ...line.split(' ')])
}

function run(...argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv)
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
}
