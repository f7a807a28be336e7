/**
 * Gives the tests a mount namespace of their own: what they cover, /sys/fs/cgroup for instance, is covered for nobody
 * else. In it /dev/kvm is owned by a kvm group as the documentation asks for, without touching the host's node: the
 * posture tested here is the posture users get.
 */
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { checked, libc } from '../../src/linux/libc.ts'
import { bindMount, mount, mountFlags } from '../../src/linux/mounts/mount.ts'

const CLONE_NEWNS = 0x20000
/** The group of the test's node where the host's own belongs to root: any unprivileged gid serves. */
const stagedKvmGid = 993
const stage = '/run/kata-ts-e2e-dev'

if (process.getuid?.() === 0) {
  checked(libc.unshare(CLONE_NEWNS), 'unshare mount namespace')
  mount({ source: 'none', target: '/', flags: mountFlags.private | mountFlags.rec })
  if (statSync('/dev/kvm', { throwIfNoEntry: false })?.gid === 0) {
    mkdirSync(stage, { recursive: true })
    mount({ source: 'tmpfs', target: stage, type: 'tmpfs', data: 'mode=0755' })
    Bun.spawnSync(['mknod', `${stage}/kvm`, 'c', '10', '232'])
    chownSync(`${stage}/kvm`, 0, stagedKvmGid)
    chmodSync(`${stage}/kvm`, 0o660)
    bindMount(`${stage}/kvm`, '/dev/kvm')
  }
}
