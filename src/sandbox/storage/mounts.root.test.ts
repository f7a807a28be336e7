import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mount, mountFlags, unmountBelow } from '../../linux/mounts/mount.ts'
import type { OciMount } from '../../oci/spec.ts'
import type { BindRequest, Share } from '../../sharing/share.ts'
import { carryMounts, sharedMounts } from './mounts.ts'
import { shmBytes } from './shm.ts'

/** Of the pod. */
const uid = '6b1f'
let area: string
let pod: string
let volumes: string
beforeAll(() => {
  area = mkdtempSync('/tmp/kata-ts-pod-')
  pod = `${area}/pods/${uid}`
  volumes = `${pod}/volumes/kubernetes.io~empty-dir`
  mkdirSync(`${volumes}/disk`, { recursive: true })
  mkdirSync(`${volumes}/memory`)
  mkdirSync(`${pod}/volume-subpaths/memory/app/3`, { recursive: true })
  mount({ source: 'tmpfs', target: `${volumes}/memory`, type: 'tmpfs', data: 'size=1m' })
  chownSync(`${volumes}/memory`, 0, 2000)
  chmodSync(`${volumes}/memory`, 0o2777)
  mkdirSync(`${volumes}/memory/deep/part`, { recursive: true })
  mount({
    source: `${volumes}/memory/deep/part`,
    target: `${pod}/volume-subpaths/memory/app/3`,
    flags: mountFlags.bind,
  })
  writeFileSync(`${pod}/file`, '')
})
afterAll(() => {
  unmountBelow(area)
  rmSync(area, { recursive: true })
})

/** What the share was asked for, and what the guest is told. */
const carry = (...mounts: OciMount[]) => carryFor(ofPod, mounts)
const ofPod = {
  'io.kubernetes.cri.container-type': 'container',
  'io.kubernetes.cri.sandbox-id': 'pod',
  'io.kubernetes.cri.sandbox-uid': uid,
}
async function carryFor(annotations: Readonly<Record<string, string>>, mounts: OciMount[]) {
  const binds: BindRequest[] = []
  const share = {
    async addBind(_id: string, bind: BindRequest) {
      binds.push(bind)
      return `/guest/${binds.length}`
    },
  } as unknown as Share
  const guest = {
    disks: new Map(),
    addWatched: async () => '/guest/watchable',
    emptyDirs: { volumeOf: async () => undefined },
  }
  return { ...(await carryMounts({ mounts, annotations }, 'c1', share, guest)), binds }
}
const bind = (source: string, ...options: string[]): OciMount => ({
  destination: '/x',
  type: 'bind',
  source,
  options: ['rbind', ...options],
})

test('a client without pods may have asked to follow by itself', async () => {
  const { binds } = await carryFor({}, [bind('/srv', 'rslave', 'ro'), bind('/opt', 'ro')])
  expect(binds.map(({ follow, followIsOptional }) => [follow, followIsOptional])).toEqual([
    [true, true],
    [false, undefined],
  ])
  expect((await carry(bind('/srv', 'rslave', 'ro'))).binds[0]?.followIsOptional).toBeUndefined()
})

test('files of the host are carried into the share, with what the mount asks for', async () => {
  const { mounts, binds } = await carry(bind('/srv'), bind('/srv', 'ro', 'rslave'), {
    destination: '/y',
    source: '/srv',
    type: 'none',
    options: ['bind'],
  })
  expect(mounts.map(({ source }) => source)).toEqual(['/guest/1', '/guest/2', '/guest/3'])
  expect(mounts[1]?.options).toEqual(['rbind', 'ro', 'rslave'])
  expect(binds).toEqual([
    { source: '/srv', destination: '/x', readonly: false, recursive: true, follow: false },
    { source: '/srv', destination: '/x', readonly: true, recursive: true, follow: true },
    { source: '/srv', destination: '/y', readonly: false, recursive: false, follow: false },
  ])
  expect((await carry(bind('/srv', 'rro'))).binds).toMatchObject([{ readonly: true }])
})

test('what the host forbids on a file system is forbidden in the guest', async () => {
  mkdirSync(`${pod}/strict`)
  mount({
    source: 'tmpfs',
    target: `${pod}/strict`,
    type: 'tmpfs',
    flags: mountFlags.nosuid | mountFlags.nodev,
  })
  const { mounts } = await carry(bind(`${pod}/strict`, 'ro'))
  expect(mounts[0]?.options).toEqual(['rbind', 'ro', 'nosuid', 'nodev'])
})

test('an emptyDir on disk is one entry for all, whoever may write', async () => {
  const { binds } = await carry(bind(`${volumes}/disk`, 'ro'))
  expect(binds[0]).toMatchObject({ readonly: false, isScratch: true })
})

test('what only looks like one is shown as it was asked for: another pod’s, one without a pod, or by dots', async () => {
  const other = `${area}/pods/another/volumes/kubernetes.io~empty-dir/cache`
  mkdirSync(other, { recursive: true })
  for (const source of [
    other,
    `${volumes}/.`,
    `${volumes}/..`,
    `${volumes}//disk`,
    `${volumes}/memory/../disk`,
  ]) {
    const { binds } = await carry(bind(source, 'ro'))
    expect(binds).toMatchObject([{ source, readonly: true }])
    expect(binds[0]?.isScratch).toBeUndefined()
  }
  for (const annotations of [{}, { 'io.kubernetes.cri.sandbox-uid': '' }]) {
    const { binds, storages } = await carryFor(annotations, [
      bind(`${volumes}/disk`, 'ro'),
      bind(`${volumes}/memory`, 'ro'),
    ])
    expect(binds).toMatchObject([{ readonly: true }, { readonly: true }])
    expect(storages).toEqual([])
  }
})

test('an emptyDir in memory is a tmpfs of the guest with the size, mode and group of the host’s', async () => {
  const { mounts, storages, binds } = await carry(bind(`${volumes}/memory`), bind(`${volumes}/memory`, 'ro'))
  expect(binds).toEqual([])
  expect(mounts.map(({ source }) => source)).toEqual(
    Array(2).fill('/run/kata-containers/sandbox/ephemeral/memory'),
  )
  expect(storages).toEqual([
    {
      driver: 'ephemeral',
      source: 'tmpfs',
      fstype: 'tmpfs',
      options: ['mode=2777', 'size=1048576', 'fsgid=2000'],
      mountPoint: '/run/kata-containers/sandbox/ephemeral/memory',
      shared: true,
    },
  ])
})

test('an emptyDir of huge pages is refused: they are the host’s', async () => {
  mkdirSync(`${volumes}/huge`)
  mount({ source: 'none', target: `${volumes}/huge`, type: 'hugetlbfs' })
  await expect(carry(bind(`${volumes}/huge`))).rejects.toThrow(
    `[SHARE_SOURCE_KIND] mount source ${volumes}/huge of container c1 is a volume of huge pages`,
  )
})

test('a subPath of it is a part of the same tmpfs', async () => {
  const { mounts, storages } = await carry(bind(`${pod}/volume-subpaths/memory/app/3`))
  expect(storages.map(({ driver, source, options }) => ({ driver, source, options }))).toEqual([
    { driver: 'ephemeral', source: 'tmpfs', options: ['mode=2777', 'size=1048576', 'fsgid=2000'] },
    {
      driver: 'local',
      source: '/run/kata-containers/sandbox/ephemeral/memory',
      // A directory made in a set-group-ID one belongs to the same group.
      options: ['subpath=deep/part', 'mode=2755', 'fsgid=2000'],
    },
  ])
  expect(mounts[0]?.source).toBe('/run/kata-containers/sandbox/ephemeral-parts/c1-memory-3')
})

test('shared memory is the pod’s, unless the container mounts its own', async () => {
  const own = { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['size=1k'] }
  const { mounts, binds } = await carry({ ...bind('/dev/shm', 'ro'), destination: '/dev/shm' }, own)
  expect(mounts[0]).toMatchObject({
    source: '/run/kata-containers/sandbox/shm',
    type: 'bind',
    options: ['rbind', 'ro', 'noexec', 'nosuid', 'nodev'],
  })
  expect(mounts[1]).toEqual(own)
  expect(binds).toEqual([])
})

test('a volume in the place of shared memory is that volume', async () => {
  const caller = 'io.kata-ts.caller=1000:1000:0:0:1:2'
  const at = (mount: OciMount) => ({ ...mount, destination: '/dev/shm' })
  const { mounts, storages, binds } = await carry(
    at(bind(`${volumes}/memory`)),
    at(bind(`${volumes}/disk`)),
    at(bind('/srv', caller)),
    // A hostPath, and `docker run -v`.
    at(bind('/srv/data')),
  )
  expect(mounts.map(({ source }) => source)).toEqual([
    '/run/kata-containers/sandbox/ephemeral/memory',
    ...['/guest/1', '/guest/2', '/guest/3'],
  ])
  expect(storages.map(({ options }) => options)).toEqual([['mode=2777', 'size=1048576', 'fsgid=2000']])
  expect(binds.map(({ source }) => source)).toEqual([`${volumes}/disk`, '/srv', '/srv/data'])
})

/** As clients make it. */
const clientsId = '4f1c'.repeat(16)

test.each([
  `/run/containerd/io.containerd.grpc.v1.cri/sandboxes/${clientsId}/shm`,
  `/run/containers/storage/overlay-containers/${clientsId}/userdata/shm`,
  `/var/lib/docker/containers/${clientsId}/mounts/shm`,
  `/var/lib/docker/containers/${clientsId}/mounts/shm/`,
  `/var/lib/nerdctl/1935db59/containers/default/${clientsId}/shm`,
])('the memory that a client has mounted for it is the pod’s: %s', async (path) => {
  const source = `${area}${path}`
  mkdirSync(source, { recursive: true })
  mount({ source: 'shm', target: source, type: 'tmpfs', data: 'size=1m' })
  const { mounts, binds } = await carry({ ...bind(source), destination: '/dev/shm' })
  expect([mounts[0]?.source, binds]).toEqual(['/run/kata-containers/sandbox/shm', []])
})

test('a directory of a user’s is that directory, whatever its name', async () => {
  mkdirSync(`${area}/srv/shm`, { recursive: true })
  mkdirSync(`${volumes}/memory/shm`, { recursive: true })
  symlinkSync(`${volumes}/memory/shm`, `${area}/shm`)
  mkdirSync(`${area}/own/shm`, { recursive: true })
  mount({ source: 'shm', target: `${area}/own/shm`, type: 'tmpfs', data: 'size=1m' })
  // On a disk, in memory that is mounted for something else, there by a link, one that is not there, and memory of the user's own.
  const sources = ['/srv/shm', `${volumes}/memory/shm`.slice(area.length), '/shm', '/no/shm', '/own/shm']
  const asked = sources.map((source) => ({ ...bind(`${area}${source}`), destination: '/dev/shm' }))
  const { mounts, binds } = await carry(...asked)
  expect(mounts.map(({ source }) => source)).toEqual(sources.map((_, index) => `/guest/${index + 1}`))
  expect(binds.map(({ source }) => source)).toEqual(asked.map(({ source }) => source!))
  expect(sharedMounts({ mounts: asked }, 'c1')).toEqual(asked)
  expect(shmBytes({ mounts: asked })).toBe(64 * 1024 * 1024)
})

test('its size is that of the host’s tmpfs, or 64 MiB', () => {
  const shm = (source: string, type = 'bind') =>
    shmBytes({ mounts: [{ destination: '/dev/shm', source, type }] })
  const made = `${area}/sandboxes/${clientsId}/shm`
  mkdirSync(made, { recursive: true })
  mount({ source: 'shm', target: made, type: 'tmpfs', data: 'size=1m' })
  expect(shm(made)).toBe(1024 * 1024)
  expect(shm(`${volumes}/memory`)).toBe(64 * 1024 * 1024)
  for (const source of ['/dev/shm', '/no/such/directory', '/etc']) expect(shm(source)).toBe(64 * 1024 * 1024)
  expect(shm('shm', 'tmpfs')).toBe(64 * 1024 * 1024)
  expect(shmBytes({})).toBe(64 * 1024 * 1024)
})

test('interfaces of the kernel are those of the guest’s', async () => {
  const sources = ['/proc', '/sys/fs/cgroup', '/sys', '/dev', '/dev/null', '/dev/tty']
  const { mounts, binds } = await carry(...sources.map((source) => bind(source)))
  expect(mounts.map(({ source }) => source)).toEqual(sources)
  expect(binds).toEqual([])
  expect((await carry(bind('/dev/shm'), bind('/process'))).binds).toHaveLength(2)
})

test.each<[string, string[]]>([
  ['/proc', ['/proc/', '//proc', '/./proc', '/x/../proc', '/proc/.']],
  ['/sys', ['/sys/', '/sys/.', '/etc/../sys']],
  ['/sys/fs/cgroup', ['/sys//fs/cgroup', '//sys/fs/./cgroup/']],
  ['/dev', ['//dev', '/dev/', '/dev/shm/..']],
  ['/dev/null', ['//dev/null', '/dev/./null', '/etc/../dev/null']],
])('%s is the guest’s, however it is written', async (plain, others) => {
  for (const source of [plain, ...others]) {
    const { mounts, binds } = await carry(bind(source))
    expect(mounts.map((mount) => mount.source)).toEqual([plain])
    expect(binds).toEqual([])
    expect(sharedMounts({ mounts: [bind(source)] }, 'c1')).toEqual([])
  }
})

test('a path that only begins as one of the kernel’s is the host’s', async () => {
  const sources = ['/proc/../srv', '/sys/../srv', '/dev/../srv']
  const { binds } = await carry(...sources.map((source) => bind(source)))
  expect(binds.map(({ source }) => source)).toEqual(sources)
})

test('a device that every kernel has is the guest’s, by its number, with the right to it', async () => {
  const node = '/dev/kata-ts-test-kmsg'
  expect(Bun.spawnSync(['mknod', node, 'c', '1', '11']).exitCode).toBe(0)
  try {
    const { mounts, binds, deviceRules } = await carry(bind(node), bind('/dev/null', 'rro'), bind('/srv'))
    expect(mounts.map(({ source }) => source)).toEqual(['/dev/kmsg', '/dev/null', '/guest/1'])
    expect(binds).toHaveLength(1)
    expect(deviceRules).toEqual([
      { allow: true, type: 'c', major: 1, minor: 11, access: 'rw' },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
    ])
  } finally {
    rmSync(node)
  }
})

test('what a machine cannot give is refused with the name of the mount', async () => {
  await expect(carry(bind('/srv', 'rshared'))).rejects.toThrow(
    /^\[MOUNT_PROPAGATION\] mount \/x of container c1/,
  )
  const foreign = { destination: '/x', type: 'nfs', source: 'server:/x' }
  await expect(carry(foreign)).rejects.toThrow(/^\[MOUNT_TYPE\] mount \/x of container c1 has the type nfs/)
  await expect(carry({ destination: '/x' })).rejects.toThrow('the type none')
})

test('a volume that kubelet changes is mounted from the copy that the agent makes of what is shared', async () => {
  const source = `${pod}/volumes/kubernetes.io~secret/keys`
  mkdirSync(source, { recursive: true })
  const { mounts, storages, binds } = await carry(bind(source, 'ro'))
  expect(binds).toHaveLength(1)
  expect(storages).toMatchObject([{ driver: 'watchable-bind', source: '/guest/1' }])
  expect(mounts[0]?.source).toBe(storages[0]!.mountPoint)
  expect(mounts[0]?.options).toContain('ro')
})

test('one that is too large is shared, and named; no agent that cannot is asked', async () => {
  const source = `${pod}/volumes/kubernetes.io~secret/large`
  mkdirSync(source, { recursive: true })
  for (let index = 0; index < 17; index++) writeFileSync(`${source}/${index}`, '')
  const { mounts, storages, unwatched } = await carry(bind(source, 'ro'))
  expect({ source: mounts[0]?.source, storages, unwatched }).toEqual({
    source: '/guest/1',
    storages: [],
    unwatched: [source],
  })
  const share = { addBind: async () => '/guest/1' } as unknown as Share
  const plain = await carryMounts({ mounts: [bind(source, 'ro')] }, 'c1', share, {
    disks: new Map(),
    addWatched: undefined,
    emptyDirs: { volumeOf: async () => undefined },
  })
  expect(plain).toMatchObject({ storages: [], unwatched: [] })
})
