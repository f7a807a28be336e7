/** The files of a pod: what its containers find, share and may change. One pod, driven as containerd drives it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { bindMount, mount, mountFlags, unmount, unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { bind, buildProbe, Pod, podUid } from './pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const runDir = ownDirectory('/run/kt-')
const volumes = join(area.path, 'pods', podUid, 'volumes')
const emptyDir = (name: string) => join(volumes, 'kubernetes.io~empty-dir', name)
const host = (name: string) => join(area.path, name)
let before: ReturnType<typeof hostState>
let pod: Pod

beforeAll(async () => {
  before = hostState(runDir)
  // As on a host with systemd: what is mounted later is seen by the pods that run already.
  bindMount(area.path, area.path)
  mount({ source: 'none', target: area.path, flags: mountFlags.shared })
  for (const name of ['disk', 'memory']) mkdirSync(emptyDir(name), { recursive: true })
  mount({ source: 'tmpfs', target: emptyDir('memory'), type: 'tmpfs', data: 'size=1m' })
  chmodSync(emptyDir('memory'), 0o777)
  for (const name of ['rw', 'ro', 'follow', 'tree/sub']) mkdirSync(host(name), { recursive: true })
  buildProbe(host('probe'))
  pod = await Pod.start({ id: 'volumes', dir: host('p'), runDir })
  const shared = [
    bind(emptyDir('disk'), '/disk'),
    bind(emptyDir('memory'), '/memory'),
    bind(host('probe'), '/probe', 'ro'),
  ]
  await pod.add('one', { mounts: shared })
  await pod.add('two', { mounts: [...shared.slice(1), bind(emptyDir('disk'), '/disk', 'ro')] })
})

afterAll(async () => {
  await pod?.stop()
  unmountBelow(area.path)
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

const output = async (container: string, script: string) => {
  const { stdout, stderr, code } = await pod.exec(container, script)
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  return stdout
}

describe('files that containerd makes for the pod', () => {
  test('hosts, hostname and resolv.conf are the pod’s', async () => {
    for (const name of ['hosts', 'hostname', 'resolv.conf'])
      expect(await output('one', `cat /etc/${name}`)).toBe(readFileSync(host(`p/etc/${name}`), 'utf8'))
  })

  test('the host name is the pod’s in every container, and one for all', async () => {
    expect(await output('one', 'hostname; readlink /proc/self/ns/uts')).toBe(
      await output('two', 'hostname; readlink /proc/self/ns/uts'),
    )
    expect(await output('two', 'hostname')).toBe('volumes\n')
  })

  test('/dev/shm has the size that the host gave it, and is one for all', async () => {
    await output('one', 'echo mine > /dev/shm/note; chmod 600 /dev/shm/note')
    expect(await output('two', 'cat /dev/shm/note; df -k /dev/shm | tail -1')).toMatch(/^mine\nshm +3072 /)
    const { stderr } = await pod.exec('two', 'dd if=/dev/zero of=/dev/shm/big bs=4M count=1; rm /dev/shm/big')
    expect(stderr).toContain('No space left on device')
    expect(await output('one', 'grep " /dev/shm " /proc/mounts')).toMatch(/nosuid,nodev,noexec/)
  })
})

describe('emptyDir', () => {
  test('on disk: a directory of the host that the containers share', async () => {
    await output('one', 'echo kept > /disk/file')
    expect(await output('two', 'cat /disk/file')).toBe('kept\n')
    expect(readFileSync(join(emptyDir('disk'), 'file'), 'utf8')).toBe('kept\n')
    expect((await pod.exec('two', 'echo x > /disk/file')).stderr).toContain('Read-only file system')
  })

  test('on disk: no program in it gets a set-user-id bit, as in no writable volume; in the root file system it does', async () => {
    const give = (directory: string) => pod.exec('one', `cd ${directory}; touch set-id; chmod 4755 set-id`)
    expect((await give('/disk')).stderr).toContain('Operation not permitted')
    expect(statSync(join(emptyDir('disk'), 'set-id')).mode & 0o7777).toBe(0o644)
    expect(await give('/tmp')).toMatchObject({ code: 0, stderr: '' })
  })

  test('in memory: a tmpfs of the guest with the host’s limit, which never touches the host', async () => {
    await output('one', 'echo secret > /memory/file')
    expect(await output('two', 'cat /memory/file; stat -c %a /memory; df -k /memory | tail -1')).toMatch(
      /^secret\n777\ntmpfs +1024 /,
    )
    expect(existsSync(join(emptyDir('memory'), 'file'))).toBe(false)
    const { stderr } = await pod.exec('two', 'dd if=/dev/zero of=/memory/big bs=2M count=1; rm /memory/big')
    expect(stderr).toContain('No space left on device')
  })

  test('in memory: the group of fsGroup may write, and new files are its own', async () => {
    mkdirSync(emptyDir('grouped'))
    mount({ source: 'tmpfs', target: emptyDir('grouped'), type: 'tmpfs', data: 'size=1m' })
    chownSync(emptyDir('grouped'), 0, 4000)
    chmodSync(emptyDir('grouped'), 0o2770)
    const user = { uid: 1000, gid: 1000, additionalGids: [4000] }
    const script = 'touch /g/new && stat -c "%u %g" /g/new; stat -c "%u %g %a" /g'
    const { stdout } = await pod.run('grouped', script, {
      mounts: [bind(emptyDir('grouped'), '/g')],
      process: { user },
    })
    expect(stdout).toBe('1000 4000\n0 4000 2770\n')
  })

  test('in memory: what an init container left is there for the ones after it', async () => {
    const mounts = [bind(emptyDir('memory'), '/memory')]
    expect(await pod.run('init', 'echo prepared > /memory/from-init', { mounts })).toMatchObject({ code: 0 })
    expect((await pod.run('main', 'cat /memory/from-init', { mounts })).stdout).toBe('prepared\n')
  })

  test('in memory: a subPath is a part of the same volume, and no link leads out of it', async () => {
    const part = join(area.path, 'pods', podUid, 'volume-subpaths/memory/app/0')
    mkdirSync(part, { recursive: true })
    mkdirSync(join(emptyDir('memory'), 'inner/part'), { recursive: true })
    bindMount(join(emptyDir('memory'), 'inner/part'), part)
    try {
      await pod.run('part', 'echo deep > /part/file', { mounts: [bind(part, '/part')] })
      expect(await output('one', 'cat /memory/inner/part/file')).toBe('deep\n')
      await output('one', 'rm -r /memory/inner && ln -s /etc /memory/inner')
      await expect(pod.add('evil', { mounts: [bind(part, '/part')] })).rejects.toThrow(
        'subPath inner/part of volume memory cannot be opened: ENOENT',
      )
      await output('one', 'rm /memory/inner')
    } finally {
      unmount(part)
    }
  })

  test('unix sockets connect containers, also one that only mounts it read-only', async () => {
    for (const directory of ['/disk', '/memory']) {
      const server = pod.exec('one', `/probe serve ${directory}/socket`)
      await eventually('the socket', async () => {
        const { code } = await pod.exec('two', `test -S ${directory}/socket`)
        return code === 0 || undefined
      })
      expect(await pod.exec('two', `/probe send ${directory}/socket hello`)).toMatchObject({
        code: 0,
        stdout: '',
      })
      expect((await server).stdout).toBe('hello\n')
    }
  })

  test('a lock that one container holds keeps the other one out', async () => {
    await output('one', 'touch /disk/lock /memory/lock')
    const mounts = [bind(emptyDir('disk'), '/disk'), bind(host('probe'), '/probe')]
    await pod.add('holder', { args: ['/probe', 'lock', '/disk/lock'], mounts })
    await eventually('the lock', () => readFileSync(host('p/holder.out'), 'utf8') === 'locked\n' || undefined)
    expect((await pod.exec('one', '/probe lock /disk/lock')).stdout).toBe('lock: EAGAIN\n')
    await pod.remove('holder')
    // It holds what it gets.
    const said = 'until [ -s /tmp/said ]; do sleep 0.1; done; kill $!; cat /tmp/said'
    const free = await pod.exec('one', `/probe lock /disk/lock >/tmp/said & ${said}`)
    expect(free.stdout).toBe('locked\n')
  })
})

describe('hostPath, subPath and files', () => {
  test('read-write reaches the host, read-only does not, also not for root of the guest', async () => {
    writeFileSync(host('ro/file'), 'fixed')
    const mounts = [bind(host('rw'), '/rw'), bind(host('ro'), '/ro', 'ro')]
    const { stdout, stderr } = await pod.run(
      'paths',
      'echo new > /rw/file; cat /ro/file; echo x > /ro/file',
      {
        mounts,
      },
    )
    expect(stdout).toBe('fixed')
    expect(stderr).toContain('Read-only file system')
    expect(readFileSync(host('rw/file'), 'utf8')).toBe('new\n')
    // The wall is on the host: who may remount in the guest still cannot write.
    const remount = await pod.run('remount', 'mount -o remount,rw /ro && echo x > /ro/file', {
      mounts,
      process: { capabilities: allOf(['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE']) },
      linux: { seccomp: undefined },
    })
    expect(remount.stderr).toContain('Read-only file system')
    expect(readFileSync(host('ro/file'), 'utf8')).toBe('fixed')
  })

  test('a part of a volume, and a single file over one of the image', async () => {
    writeFileSync(host('tree/sub/file'), 'part')
    writeFileSync(host('tree/motd'), 'mounted\n')
    const { stdout } = await pod.run('part-of', 'ls /v; cat /etc/profile; ls /etc | grep -c .', {
      mounts: [bind(host('tree/sub'), '/v'), bind(host('tree/motd'), '/etc/profile', 'ro')],
    })
    expect(stdout).toMatch(/^file\nmounted\n[0-9]+\n$/)
  })

  test('files of fsGroup: what kubelet gave to a group, that group may write', async () => {
    mkdirSync(host('group'))
    chownSync(host('group'), 0, 4000)
    chmodSync(host('group'), 0o2775)
    const { stdout, stderr } = await pod.run('fs-group', 'id -G; touch /g/new; stat -c "%u %g" /g/new', {
      mounts: [bind(host('group'), '/g')],
      process: { user: { uid: 1000, gid: 1000, additionalGids: [4000] } },
    })
    expect({ stdout, stderr }).toEqual({ stdout: '1000 4000\n1000 4000\n', stderr: '' })
    expect(statSync(host('group/new'))).toMatchObject({ uid: 1000, gid: 4000 })
  })

  test('mounts that the host makes later appear below a HostToContainer mount, and below no other', async () => {
    for (const name of ['later', 'never']) mkdirSync(host(`follow/${name}`))
    const follow = { ...bind(host('follow'), '/follow'), options: ['rbind', 'rslave', 'rw'] }
    await pod.add('follower', { mounts: [follow, bind(host('follow'), '/still')] })
    mount({ source: 'tmpfs', target: host('follow/later'), type: 'tmpfs' })
    writeFileSync(host('follow/later/new'), 'seen')
    expect(
      await eventually(
        'the mount',
        async () => (await pod.exec('follower', 'cat /follow/later/new')).stdout || undefined,
      ),
    ).toBe('seen')
    expect(await output('follower', 'ls /still/later')).toBe('')
    await pod.remove('follower')
    unmount(host('follow/later'))
  })
})

describe('ConfigMap, Secret and projected volumes', () => {
  /** As kubelet's atomic writer does it: a new directory, and one rename of the link to it. */
  function publish(volume: string, version: string, files: Record<string, string>): void {
    const directory = join(volume, `..${version}`)
    mkdirSync(directory, { recursive: true })
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(directory, name), text, { mode: 0o400 })
    symlinkSync(`..${version}`, join(volume, '..data_tmp'))
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
    for (const name of Object.keys(files))
      if (!existsSync(join(volume, name))) symlinkSync(`..data/${name}`, join(volume, name))
  }

  test.each(['configmap', 'secret', 'projected'])(
    'an update of a %s is seen inside, as a whole',
    async (kind) => {
      const volume = join(volumes, `kubernetes.io~${kind}/v`)
      publish(volume, '2026_1', { key: 'old', other: 'old' })
      await pod.add(kind, { mounts: [bind(volume, '/v', 'ro')] })
      expect(await output(kind, 'cat /v/key /v/other; readlink /v/key')).toBe('oldold..data/key\n')
      publish(volume, '2026_2', { key: 'new', other: 'new' })
      rmSync(join(volume, '..2026_1'), { recursive: true })
      const seen = await eventually('the update', async () => {
        const { stdout } = await pod.exec(kind, 'cd /v/..data && cat key other')
        // Nothing but one of the two versions, at any moment.
        expect(['oldold', 'newnew', '']).toContain(stdout)
        return stdout === 'newnew' || undefined
      })
      expect(seen).toBe(true)
      await pod.remove(kind)
    },
  )
})

describe('what cannot be', () => {
  const refused = (name: string, mounts: object[]) => expect(pod.add(name, { mounts: mounts as [] })).rejects

  test('a source that is missing: the error names container, source and remedy', async () => {
    await refused('missing', [bind(host('nowhere'), '/x')]).toThrow(
      `[SHARE_SOURCE_MISSING] mount source ${host('nowhere')} of container missing cannot be opened (ENOENT). Create it on the host first`,
    )
  })

  test('Bidirectional propagation, file systems of the host, too many mounts', async () => {
    const both = { ...bind(host('rw'), '/x'), options: ['rbind', 'rshared'] }
    await refused('both', [both]).toThrow('[MOUNT_PROPAGATION] mount /x of container both')
    await refused('nfs', [{ destination: '/x', type: 'nfs', source: 'a:/b' }]).toThrow('[MOUNT_TYPE]')
    const many = Array.from({ length: 520 }, (_, index) => bind(host('rw'), `/m${index}`))
    await refused('many', many).toThrow(/\[SPEC_LIMIT\] container many asks for 5\d\d mounts/)
    const env = Array.from({ length: 50 }, (_, index) => `V${index}=${'x'.repeat(100_000)}`)
    await expect(pod.add('large', { process: { env } })).rejects.toThrow('[SPEC_LIMIT] container large')
  })

  test('a refused container leaves nothing, and its name is free', async () => {
    expect(await pod.run('missing', 'echo fine')).toMatchObject({ code: 0, stdout: 'fine\n' })
  })
})

function allOf(names: readonly string[]) {
  return { bounding: names, effective: names, permitted: names }
}
