// test:vmm: every VMM
/** The pod's world as CRI describes it: files, volumes, rights and devices of containers that a kubelet would ask for. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mount, mountFlags, unmount, unmountBelow } from '../../src/linux/mounts/mount.ts'
import {
  ContainerState,
  MountPropagation,
  NamespaceMode,
  SecurityProfile_ProfileType,
} from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { podTest } from '../harness/cannot.ts'
import { LoopDevice } from '../harness/host/disks.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import type { ContainerOptions, Pod } from './cri.ts'
import { busyboxFiles, makeArchive } from './images.ts'

setDefaultTimeout(slow(90_000))

const area = scratch()
const host = (name: string) => join(area.path, name)
const volume = (kind: string, name: string) => host(`pods/uid/volumes/kubernetes.io~${kind}/${name}`)
const sleep = ['sh', '-c', 'exec sleep 1000']
let before: HostState
let containerd: Containerd
let pod: Pod

beforeAll(async () => {
  before = hostState(defaultRunDir)
  // As on a host with systemd: what is mounted later is seen by the pods that run already.
  mount({ source: area.path, target: area.path, flags: mountFlags.bind })
  mount({ source: 'none', target: area.path, flags: mountFlags.shared })
  for (const path of [volume('empty-dir', 'disk'), volume('empty-dir', 'memory'), host('rw')])
    mkdirSync(path, { recursive: true })
  mount({ source: 'tmpfs', target: volume('empty-dir', 'memory'), type: 'tmpfs', data: 'size=2m,mode=0777' })
  containerd = await Containerd.start({ handlers: { 'kata-ts': {}, 'host-devices': { hostDevices: true } } })
  pod = await containerd.cri.runPod({
    config: {
      metadata: { name: 'house', uid: 'uid', namespace: 'default', attempt: 0 },
      hostname: 'house',
      dnsConfig: { servers: ['192.0.2.53'], searches: ['world.test'], options: ['ndots:5'] },
      linux: {
        cgroupParent: '/kata-ts-e2e',
        securityContext: {},
        sysctls: { 'net.core.somaxconn': '77', 'kernel.shmmax': '1234567' },
      },
    },
  })
})
// A machine may have room for a few containers only.
afterEach(() => pod.clear())
afterAll(async () => {
  await containerd?.close()
  unmountBelow(area.path)
  area[Symbol.dispose]()
  await expectNothingLeft(before, defaultRunDir)
})

const sh = async (id: string, script: string) => pod.exec(id, ['sh', '-c', script])
const output = async (id: string, script: string) => {
  const { stdout, stderr, exitCode } = await sh(id, script)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  return stdout
}
const bind = (hostPath: string, containerPath: string, more: object = {}) => ({
  hostPath,
  containerPath,
  ...more,
})
const secured = (securityContext: object, more: ContainerOptions = {}): ContainerOptions => ({
  ...more,
  linux: { resources: {}, securityContext },
})
/** Runs a container to its end, as an init container. Returns its exit code. */
async function complete(script: string, options: ContainerOptions): Promise<number> {
  const containerId = await pod.start(['sh', '-c', script], options)
  const { exitCode } = await eventually('the end', async () => {
    const { status } = await containerd.cri.calls.containerStatus({ containerId })
    return status?.state === ContainerState.CONTAINER_EXITED ? status : undefined
  })
  await containerd.cri.calls.removeContainer({ containerId })
  return exitCode
}

/** Names and sizes in sectors of all that have content. */
const hostDisks = () =>
  readdirSync('/sys/class/block')
    .map((name) => [name, readFileSync(`/sys/class/block/${name}/size`, 'utf8').trim()] as const)
    .filter(([, size]) => size !== '0')

describe('files and memory', () => {
  test('hostname, hosts, resolv.conf, sysctls and /dev/shm are the pod’s, in every container', async () => {
    writeFileSync(host('hosts'), '127.0.0.1\tlocalhost\n10.0.0.9\thouse\n')
    const mounts = [bind(host('hosts'), '/etc/hosts')]
    const [one, two] = [await pod.start(sleep, { mounts }), await pod.start(sleep, { mounts })]
    for (const id of [one, two])
      expect(await output(id, 'hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf')).toBe(
        'house\nhouse\n127.0.0.1\tlocalhost\n10.0.0.9\thouse\n' +
          'search world.test\nnameserver 192.0.2.53\noptions ndots:5\n',
      )
    expect(await output(one, 'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax')).toBe(
      '77\n1234567\n',
    )
    await output(one, 'echo shared > /dev/shm/note')
    expect(await output(two, 'cat /dev/shm/note; df -k /dev/shm | tail -1')).toMatch(/^shared\nshm +65536 /)
  })

  test('an emptyDir, on disk or in memory, goes from an init container to the others', async () => {
    const mounts = [
      bind(volume('empty-dir', 'disk'), '/disk'),
      bind(volume('empty-dir', 'memory'), '/memory'),
    ]
    expect(await complete('for d in disk memory; do echo $d > /$d/file; done', { mounts })).toBe(0)
    const id = await pod.start(sleep, { mounts })
    expect(await output(id, 'cat /disk/file /memory/file')).toBe('disk\nmemory\n')
    expect(existsSync(join(volume('empty-dir', 'memory'), 'file'))).toBe(false)
    expect(await output(id, 'df -k /memory | tail -1')).toMatch(/^tmpfs +2048 /)
  })

  podTest('a hostPath is written, or only read', async () => {
    const mounts = [bind(host('rw'), '/rw')]
    expect(await complete('echo rw > /rw/file', { mounts })).toBe(0)
    expect(readFileSync(host('rw/file'), 'utf8')).toBe('rw\n')
    const id = await pod.start(sleep, { mounts: [bind(host('rw'), '/rw', { readonly: true })] })
    expect(await output(id, 'cat /rw/file')).toBe('rw\n')
    expect((await sh(id, 'echo x > /rw/file')).stderr).toContain('Read-only file system')
  })

  podTest('HostToContainer: what the host mounts later appears inside', async () => {
    mkdirSync(host('follow/later'), { recursive: true })
    const propagation = MountPropagation.PROPAGATION_HOST_TO_CONTAINER
    const id = await pod.start(sleep, { mounts: [bind(host('follow'), '/follow', { propagation })] })
    mount({ source: 'tmpfs', target: host('follow/later'), type: 'tmpfs' })
    writeFileSync(host('follow/later/new'), 'seen')
    const seen = async () => (await sh(id, 'cat /follow/later/new')).stdout || undefined
    expect(await eventually('the mount', seen)).toBe('seen')
    await containerd.cri.calls.stopContainer({ containerId: id, timeout: 0n })
    unmount(host('follow/later'))
  })

  test('a ConfigMap that kubelet updates is seen inside', async () => {
    const directory = volume('configmap', 'settings')
    const publish = (version: string) => {
      mkdirSync(join(directory, version), { recursive: true })
      writeFileSync(join(directory, version, 'key'), version)
      symlinkSync(version, join(directory, '..tmp'))
      renameSync(join(directory, '..tmp'), join(directory, '..data'))
    }
    publish('..one')
    symlinkSync('..data/key', join(directory, 'key'))
    const id = await pod.start(sleep, { mounts: [bind(directory, '/settings', { readonly: true })] })
    expect(await output(id, 'cat /settings/key')).toBe('..one')
    publish('..two')
    await eventually(
      'the update',
      async () => (await output(id, 'cat /settings/key')) === '..two' || undefined,
    )
  })
})

describe.each(['runc', 'kata-ts'])(
  'an image with links that lead to what is not there, under %s',
  (handler) => {
    const image = 'localhost/kata-ts/links:latest'
    beforeAll(async () => {
      const links = { 'etc/hosts': 'hosts2', 'var/run': '/made/run', data: 'store/data' }
      const entries = Object.entries(links).map(([name, linkName]) => ({ name, type: '2', linkName }))
      await containerd.import(makeArchive(image, [[...busyboxFiles(), ...entries]], { Cmd: sleep }))
    })

    test('has the mounts where the links lead', async () => {
      const account = host(`account-${handler}`)
      mkdirSync(account)
      writeFileSync(join(account, 'token'), 'token\n')
      const mine = await containerd.cri.runPod({ handler })
      const mounts = [
        bind(account, '/var/run/secrets/kubernetes.io/serviceaccount', { readonly: true }),
        bind(account, '/data', { readonly: true }),
      ]
      const id = await mine.start([], { image: { image }, mounts })
      const script =
        'cat /made/run/secrets/kubernetes.io/serviceaccount/token /data/token /store/data/token; cmp /etc/hosts /etc/hosts2 && echo same'
      expect(await mine.exec(id, ['sh', '-c', script])).toEqual({
        stdout: 'token\ntoken\ntoken\nsame\n',
        stderr: '',
        exitCode: 0,
      })
      await mine.remove()
    })
  },
)

describe('security context', () => {
  const nobodySpecial = {
    runAsUser: { value: 1000n },
    runAsGroup: { value: 2000n },
    supplementalGroups: [4000n],
    readonlyRootfs: true,
    noNewPrivs: true,
  }

  test('user, groups, a read-only root, no new privileges', async () => {
    const id = await pod.start(sleep, secured(nobodySpecial))
    expect(await output(id, 'id -u; id -g; id -G; grep NoNewPrivs /proc/self/status')).toBe(
      '1000\n2000\n2000 4000\nNoNewPrivs:\t1\n',
    )
    expect((await sh(id, 'touch /x')).stderr).toContain('Read-only file system')
  })

  podTest('files of fsGroup', async () => {
    mkdirSync(host('group'))
    chownSync(host('group'), 0, 4000)
    chmodSync(host('group'), 0o2775)
    const id = await pod.start(sleep, secured(nobodySpecial, { mounts: [bind(host('group'), '/group')] }))
    await output(id, 'touch /group/new')
    expect(statSync(host('group/new'))).toMatchObject({ uid: 1000, gid: 4000 })
  })

  test('capabilities added and dropped, seccomp profiles, masked paths', async () => {
    const profile = host('profile.json')
    const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }]
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }))
    const types = SecurityProfile_ProfileType
    const masked = { maskedPaths: ['/proc/timer_list'], readonlyPaths: ['/proc/sys'] }
    const capabilities = { addCapabilities: ['SYS_TIME'], dropCapabilities: ['ALL'] }
    const strict = await pod.start(
      sleep,
      secured({ capabilities, seccomp: { profileType: types.RuntimeDefault }, ...masked }),
    )
    expect(
      await output(strict, 'grep -E "^(CapEff|Seccomp):" /proc/self/status; cat /proc/timer_list | wc -c'),
    ).toBe('CapEff:\t0000000002000000\nSeccomp:\t2\n0\n')
    const own = await pod.start(
      sleep,
      secured({ seccomp: { profileType: types.Localhost, localhostRef: profile } }),
    )
    expect((await sh(own, 'mkdir /x')).stderr).toContain('No space left on device')
    const none = await pod.start(sleep, secured({ seccomp: { profileType: types.Unconfined } }))
    expect(await output(none, 'grep Seccomp: /proc/self/status')).toBe('Seccomp:\t0\n')
  })

  test.each(['kata-ts', 'host-devices'])(
    'privileged under %s: all of the guest, nothing of the host',
    async (handler) => {
      const mine = await containerd.cri.runPod({
        handler,
        config: { linux: { cgroupParent: '/kata-ts-e2e', securityContext: { privileged: true } } },
      })
      const id = await mine.start(sleep, secured({ privileged: true }))
      const script =
        'ls /dev | grep -c .; ls /dev/hwrng; test -e /dev/kvm; echo $?; mount -t tmpfs x /mnt || mount -t tmpfs x /tmp; echo $?; cat /proc/timer_list | wc -c; grep CapEff /proc/self/status'
      const { stdout } = await mine.exec(id, ['sh', '-c', script])
      const [nodes, rng, kvm, mounted, timers, capabilities] = stdout.split('\n')
      expect(Number(nodes)).toBeGreaterThan(50)
      expect([rng, kvm, mounted]).toEqual(['/dev/hwrng', '1', '0'])
      expect(Number(timers)).toBeGreaterThan(0)
      // containerd asks for all that it has itself.
      const ours = /^CapBnd:\t0*([0-9a-f]+)$/m.exec(
        readFileSync(`/proc/${containerd.pid}/status`, 'utf8'),
      )![1]!
      expect(capabilities).toEndWith(ours)
      // A disk may have the name of one of the host, but none is one of the host.
      const disks = 'for d in /sys/class/block/*; do echo $(basename $d) $(cat $d/size); done'
      const guests = (await mine.exec(id, ['sh', '-c', disks])).stdout.split('\n')
      for (const [name, size] of hostDisks()) expect(guests).not.toContain(`${name} ${size}`)
      await mine.remove()
    },
  )

  test('a pod that shares its processes, and one that asks for those of the host', async () => {
    for (const pid of [NamespaceMode.POD, NamespaceMode.NODE]) {
      const namespaceOptions = { pid }
      const mine = await containerd.cri.runPod({
        config: { linux: { cgroupParent: '/kata-ts-e2e', securityContext: { namespaceOptions } } },
      })
      await mine.start(['sh', '-c', 'exec sleep 777'], secured({ namespaceOptions }))
      const id = await mine.start(sleep, secured({ namespaceOptions }))
      const { stdout } = await mine.exec(id, ['ps', '-o', 'args'])
      expect(stdout).toContain('/pause')
      expect(stdout).toContain('sleep 777')
      expect(stdout).not.toMatch(/agent|kthread/)
      await mine.remove()
    }
  })
})

describe('a block volume (volumeDevices)', () => {
  const rootOnly = 'brw------- 0:0'
  let disk: LoopDevice
  beforeAll(() => {
    disk = new LoopDevice(8)
  })
  afterAll(() => disk[Symbol.dispose]())

  /** As kubelet asks for it: the node on the host, the path in the container, and what may be done. */
  const withDisk = (permissions: string): ContainerOptions => ({
    devices: [{ hostPath: disk.path, containerPath: '/dev/xvda', permissions }],
  })
  const gone = async (containerId: string) => {
    await containerd.cri.calls.stopContainer({ containerId, timeout: 0n })
    await containerd.cri.calls.removeContainer({ containerId })
  }

  test('is written as a device; its node stays root’s alone before, meanwhile and after', async () => {
    expect(disk.node).toBe(rootOnly)
    const id = await pod.start(sleep, withDisk('mrw'))
    expect(disk.node).toBe(rootOnly)
    expect(await output(id, 'test -b /dev/xvda && printf kubelet >/dev/xvda && sync && echo written')).toBe(
      'written\n',
    )
    await gone(id)
    expect(disk.node).toBe(rootOnly)
    expect(disk.read().toString('latin1', 0, 7)).toBe('kubelet')
  })

  test('for reading only it is read, and writing is refused', async () => {
    const id = await pod.start(sleep, withDisk('mr'))
    expect(await output(id, 'head -c 7 /dev/xvda')).toBe('kubelet')
    expect((await sh(id, 'printf x >/dev/xvda')).stderr).toContain('Operation not permitted')
    await gone(id)
    expect(disk.read().toString('latin1', 0, 7)).toBe('kubelet')
  })
})

describe('what a machine cannot give', () => {
  const message = (options: ContainerOptions) =>
    pod.start(sleep, options).then(
      () => 'it started',
      (error) => String(error.message),
    )

  test('is refused with the words that a person finds at the pod', async () => {
    const propagation = MountPropagation.PROPAGATION_BIDIRECTIONAL
    mkdirSync(host('both'))
    mount({ source: 'tmpfs', target: host('both'), type: 'tmpfs' })
    mount({ source: 'none', target: host('both'), flags: mountFlags.shared })
    expect(await message({ mounts: [bind(host('both'), '/both', { propagation })] })).toContain(
      '[MOUNT_PROPAGATION] mount /both of container',
    )
    const devices = [{ hostPath: '/dev/kvm', containerPath: '/dev/kvm', permissions: 'rw' }]
    if (existsSync('/dev/kvm'))
      expect(await message({ devices })).toContain('[DEVICE_UNSUPPORTED] device /dev/kvm')
  })
})
