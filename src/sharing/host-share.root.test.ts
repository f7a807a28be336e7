import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Ledger } from '../ledger/ledger.ts'
import { withFsIds } from '../linux/files/fs-identity.ts'
import { mount, mountEntries, mountFlags, mountPoints, unmount, unmountBelow } from '../linux/mounts/mount.ts'
import { isAlive, readStatus } from '../linux/processes/proc.ts'
import { killAndWait, waitGone } from '../linux/processes/signal.ts'
import { type IdExtent, idMapLines } from '../linux/processes/user-namespace.ts'
import { listenUnix } from '../linux/sockets/socket.ts'
import { silentLogger } from '../log.ts'
import { readPostureRecords } from '../rootless/posture/posture-record.ts'
import { bindEntryName } from './binds.ts'
import { createHostShare, createVolumeShare, kataGuestSharedDir } from './host-share.ts'
import { requireMappable } from './mappable.ts'
import { directoryResource, mountResource } from './resources.ts'
import type { HostShare } from './share.ts'
import { shareIdMap } from './share-id-map.ts'
import { createExportedTree, createShareTree } from './share-tree.ts'
import type { BufferPlace } from './stream-buffer.ts'
import { enterMountSandbox, type MountSandbox } from './testing.ts'
import type { ShareDaemon, ShareDaemonSpec } from './virtiofsd/share-daemon.ts'
import { startVirtiofsd, virtiofsdResource } from './virtiofsd/virtiofsd.ts'

let sandbox: MountSandbox
beforeAll(() => {
  sandbox = enterMountSandbox()
})
afterAll(() => sandbox.leave())

let round = 0
let base: string
let ledger: Ledger
let spec: ShareDaemonSpec
let daemon: ShareDaemon
let share: HostShare
const openLedger = () =>
  new Ledger(join(base, 'ledger'), [mountResource, directoryResource, virtiofsdResource], silentLogger)

/** The host's id of the unprivileged daemon's root. */
const first = 0x6f000000

/** The daemon with a user of its own, and as root. */
describe.each<[string, IdExtent[] | undefined]>([
  ['unprivileged', shareIdMap({ first, count: 65535 })],
  ['root', undefined],
])('%s', (_, ids) => {
  beforeEach(async () => {
    base = join(sandbox.directory, `${round++}`)
    for (const name of ['state', 'private']) mkdirSync(join(base, name), { recursive: true })
    ledger = openLedger()
    const tree = await createShareTree(ledger, {
      stateDir: join(base, 'state'),
      exportDir: join(base, 'export'),
    })
    spec = {
      sharedDir: tree.exported,
      stateDir: join(base, 'state'),
      privateDir: join(base, 'private'),
      program: '/usr/libexec/virtiofsd',
      cache: 'auto',
      nosuid: false,
      extraArgs: [],
      ...(ids === undefined ? {} : { ids }),
    }
    daemon = await startVirtiofsd(ledger, spec)
    share = createHostShare(ledger, tree, daemon)
  })
  afterEach(async () => {
    await ledger.releaseAll()
    expect(daemon.processes.filter(isAlive)).toEqual([])
    expect(mountPoints().filter((point) => /\/(state|export|other)(\/|$)/.test(point))).toEqual([])
    // The daemon's log and its posture records go with the directory.
    const kept = ['postures', 'virtiofsd.log', 'virtiofsd-volumes.log']
    expect(readdirSync(join(base, 'state')).filter((name) => !kept.includes(name))).toEqual([])
    expect(readdirSync(join(base, 'private'))).toEqual([])
    expect(existsSync(join(base, 'export'))).toBe(false)
  })

  /** A guest path as the daemon's worker sees it, whose root directory is the share. */
  const seenByDaemon = (guestPath: string) =>
    `/proc/${daemon.processes[1]!.pid}/root${guestPath.slice(kataGuestSharedDir.length)}`
  /** Starts a daemon, hands its connection to a second process, prints their pids and waits to be killed. */
  const orphanMaker = `
  import { Ledger } from '${import.meta.dir}/../ledger/ledger.ts'
  import { processRef } from '${import.meta.dir}/../linux/processes/proc.ts'
  import { silentLogger } from '${import.meta.dir}/../log.ts'
  import { directoryResource, mountResource } from '${import.meta.dir}/resources.ts'
  import { createShareTree } from '${import.meta.dir}/share-tree.ts'
  import { startVirtiofsd, virtiofsdResource } from '${import.meta.dir}/virtiofsd/virtiofsd.ts'
  const base = process.argv.at(-1)
  const kinds = [directoryResource, mountResource, virtiofsdResource]
  const ledger = new Ledger(base + '/ledger', kinds, silentLogger)
  const tree = await createShareTree(ledger, { stateDir: base, exportDir: base + '/export' })
  const { connect, processes } = await startVirtiofsd(ledger, {
    ...${JSON.stringify(ids === undefined ? {} : { ids })},
    sharedDir: tree.exported, stateDir: base, privateDir: base,
    program: '/usr/libexec/virtiofsd', cache: 'auto', nosuid: false, extraArgs: [],
  })
  const { pid } = Bun.spawn(['sleep', '60'], { stdio: ['ignore', 'ignore', 'ignore', connect()] })
  console.log(JSON.stringify({ holder: processRef(pid), processes }))
  setInterval(() => {}, 1000)
`
  /** Runs as the daemon's user, who makes the files: an id without a place in the map cannot make any on an idmapped disk. */
  const asDaemon = <T>(work: () => T): T => (ids === undefined ? work() : withFsIds(first, first, work))
  const errnoOf = (work: () => unknown): string => {
    try {
      work()
      return 'none'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error)
    }
  }
  const source = (name: string): string => {
    const path = join(base, name)
    mkdirSync(path)
    writeFileSync(join(path, 'hello'), name)
    return path
  }

  test('an overlay mounted after the start is what the daemon shows, and writes leave the lower directory alone', async () => {
    const lower = source('lower')
    for (const name of ['upper', 'work']) mkdirSync(join(base, name))
    const options = [`lowerdir=${lower}`, `upperdir=${base}/upper`, `workdir=${base}/work`]
    const { path } = await share.addRootfs('c1', [{ type: 'overlay', source: 'overlay', options }])
    expect(path).toBe('/run/kata-containers/shared/containers/c1/rootfs')
    expect(readFileSync(`${seenByDaemon(path)}/hello`, 'utf8')).toBe('lower')
    asDaemon(() => writeFileSync(`${seenByDaemon(path)}/new`, 'x'))
    expect(readdirSync(lower)).toEqual(['hello'])
    expect(readdirSync(`${base}/upper`)).toEqual(['new'])
  })

  test('a read-only overlay without an upper directory, and a read-only bind as root file system', async () => {
    const [one, two] = [source('one'), source('two')]
    const overlay = { type: 'overlay', source: 'overlay', options: ['ro', `lowerdir=${one}:${two}`] }
    const bind = { type: 'bind', source: one, options: ['rbind', 'ro'] }
    for (const [name, mount] of Object.entries({ overlay, bind })) {
      const path = seenByDaemon((await share.addRootfs(name, [mount])).path)
      expect(readFileSync(`${path}/hello`, 'utf8')).toBe('one')
      expect(errnoOf(() => asDaemon(() => writeFileSync(`${path}/new`, '')))).toBe('EROFS')
    }
  })

  test('as many layers as an image has, whose names no page of options holds', async () => {
    const layers = Array.from({ length: 127 }, (_, index) => source(`${'layer'.repeat(16)}${index}`))
    for (const name of ['upper', 'work']) mkdirSync(join(base, name))
    const options = [`lowerdir=${layers.join(':')}`, `upperdir=${base}/upper`, `workdir=${base}/work`]
    expect(options.join(',').length).toBeGreaterThan(4096)
    const { path } = await share.addRootfs('c1', [{ type: 'overlay', source: 'overlay', options }])
    expect(readFileSync(`${seenByDaemon(path)}/hello`, 'utf8')).toEndWith('layer0')
    asDaemon(() => writeFileSync(`${seenByDaemon(path)}/new`, 'x'))
    expect(readdirSync(`${base}/upper`)).toEqual(['new'])
  })

  test('a layer that another user has put a link to in the path of is no layer', async () => {
    const [secret, shed] = [source('secret'), source('shed')]
    symlinkSync(secret, `${shed}/link`)
    lchownSync(`${shed}/link`, 4242, 4242)
    chownSync(shed, 4242, 4242)
    for (const lower of [`${shed}/link:${source('one')}`, `${base}/one:${shed}/link`])
      await expect(
        share.addRootfs('c1', [{ type: 'overlay', source: 'overlay', options: ['ro', `lowerdir=${lower}`] }]),
      ).rejects.toThrow('[SOURCE_LINK]')
    // Control: a directory there is one.
    rmSync(`${shed}/link`)
    mkdirSync(`${shed}/link`)
    const options = ['ro', `lowerdir=${base}/one:${shed}/link`]
    const { path } = await share.addRootfs('c2', [{ type: 'overlay', source: 'overlay', options }])
    expect(readFileSync(`${seenByDaemon(path)}/hello`, 'utf8')).toBe('one')
  })

  test('more layers than that are refused by name', async () => {
    const lower = `lowerdir=${Array(300).fill(source('one')).join(':')}`
    await expect(
      share.addRootfs('c1', [{ type: 'overlay', source: 'overlay', options: ['ro', lower] }]),
    ).rejects.toThrow('[SHARE_MOUNT_INVALID] option string of overlay of a mount cannot be used')
  })

  test('a read-only bind is read-only for the daemon as well, with what is mounted in it; a writable one is not', async () => {
    const volume = source('volume')
    mkdirSync(join(volume, 'inner'))
    mount({ source: 'tmpfs', target: join(volume, 'inner'), type: 'tmpfs' })
    const bind = { source: volume, destination: '/data', recursive: true }
    const readOnly = seenByDaemon(await share.addBind('c1', { ...bind, readonly: true }))
    const writable = seenByDaemon(await share.addBind('c1', { ...bind, readonly: false }))
    expect(readFileSync(`${readOnly}/hello`, 'utf8')).toBe('volume')
    expect(errnoOf(() => asDaemon(() => writeFileSync(`${readOnly}/x`, '')))).toBe('EROFS')
    expect(errnoOf(() => asDaemon(() => writeFileSync(`${readOnly}/inner/x`, '')))).toBe('EROFS')
    expect(errnoOf(() => asDaemon(() => writeFileSync(`${writable}/x`, '')))).toBe('none')
    expect(errnoOf(() => asDaemon(() => writeFileSync(`${writable}/inner/x`, '')))).toBe('none')
  })

  test('the directory for what is watched is made when it is asked for, once', async () => {
    const [one, two] = await Promise.all([share.addWatched?.(), share.addWatched?.()])
    expect([one, two]).toEqual(Array(2).fill('/run/kata-containers/shared/containers/watchable'))
    expect(lstatSync(seenByDaemon(one!)).isDirectory()).toBe(true)
  })

  test('the stream buffer is one file, which the daemon may write, and holds no more than its places', async () => {
    const buffer = await share.streamBuffer!()
    expect(await share.streamBuffer!()).toBe(buffer)
    const path = seenByDaemon(`${kataGuestSharedDir}/.stream-buffer`)
    const { uid, gid, mode, size } = lstatSync(path)
    const owner = ids === undefined ? 0 : first
    expect([uid, gid, mode & 0o7777]).toEqual([owner, owner, 0o600])
    const places = Array.from({ length: 4 }, () => buffer.lend()!)
    const [one, two, three, four] = places as [BufferPlace, BufferPlace, BufferPlace, BufferPlace]
    expect(places.map(({ offset }) => offset)).toEqual([0, 1, 2, 3].map((at) => (at * size) / 4))
    expect(places.map((place) => place.size)).toEqual(places.map(() => size / 4))
    expect(buffer.lend()).toBe(undefined)
    const file = asDaemon(() => openSync(path, 'r+'))
    const word = Buffer.alloc(6)
    try {
      writeSync(file, Buffer.alloc(size, 7), 0, size, 0)
      writeSync(file, Buffer.from('hello'), 0, 5, two.offset)
      expect(Buffer.from(two.take(1, 5)).toString('latin1')).toBe('ello\x07')
      three.put(Buffer.from('input'))
      expect(readSync(file, word, 0, word.length, three.offset)).toBe(word.length)
      expect(word.toString('latin1')).toBe('input\x07')
      expect(errnoOf(() => writeSync(file, Buffer.from('x'), 0, 1, size))).toBe('ENOSPC')
      // The memory of the bytes that were taken is free.
      two.giveBack(two.size)
      expect(lstatSync(path).blocks * 512).toBe(size - two.size)
      expect(buffer.lend()?.offset).toBe(two.offset)
      // A guest that truncates its file gets fewer bytes back.
      ftruncateSync(file, 3)
      expect(one.take(0, 5).length).toBe(3)
      one.giveBack(5)
      expect(lstatSync(path).blocks).toBe(0)
      // A guest that fills the buffer's file system itself gets no more input through it.
      writeSync(file, Buffer.alloc(size), 0, size, 4 * size)
      expect(four.put(Buffer.from('input'))).toBe(false)
    } finally {
      closeSync(file)
    }
    expect(errnoOf(() => asDaemon(() => writeFileSync(`${path}-2`, '')))).toBe('EROFS')
    const shown = mountEntries(daemon.processes[1]!.pid).find(({ point }) => point === '/.stream-buffer')
    expect(shown?.flags).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']))
  })

  test('a file is shown as a file', async () => {
    const path = await share.addBind('c1', {
      source: join(source('etc'), 'hello'),
      destination: '/etc/resolv.conf',
      readonly: true,
      recursive: false,
    })
    expect(path).toMatch(/^\/run\/kata-containers\/shared\/containers\/c1-[0-9a-f]{16}-resolv\.conf$/)
    expect(lstatSync(seenByDaemon(path)).isFile()).toBe(true)
    expect(readFileSync(seenByDaemon(path), 'utf8')).toBe('etc')
  })

  test('containers that ask for the same get the same entry, which stays until the last of them has gone', async () => {
    const bind = { source: source('same'), destination: '/x', readonly: false, recursive: true }
    const [one, two] = await Promise.all([share.addBind('c1', bind), share.addBind('c2', bind)])
    expect(two).toBe(one)
    expect(await share.addBind('c2', { ...bind, readonly: true })).not.toBe(one)
    expect(await share.addBind('c2', { ...bind, recursive: false })).not.toBe(one)
    await share.removeContainer('c1')
    asDaemon(() => writeFileSync(`${seenByDaemon(one)}/still`, ''))
    mkdirSync(join(bind.source, 'later'))
    mount({ source: 'tmpfs', target: join(bind.source, 'later'), type: 'tmpfs' })
    expect(await share.addBind('c3', bind)).not.toBe(one)
    await share.removeContainer('c2')
    expect(existsSync(seenByDaemon(one))).toBe(false)
  })

  test('a file that took the place of another is another one', async () => {
    const bind = { source: join(source('etc'), 'hello'), destination: '/x', readonly: true, recursive: false }
    const old = await share.addBind('c1', bind)
    writeFileSync(join(base, 'etc/new'), 'new')
    renameSync(join(base, 'etc/new'), bind.source)
    const now = await share.addBind('c2', bind)
    expect(readFileSync(seenByDaemon(old), 'utf8')).toBe('etc')
    expect(readFileSync(seenByDaemon(now), 'utf8')).toBe('new')
  })

  test('a bind that follows shows what the host mounts later, a private one does not', async () => {
    const volume = source('volume')
    for (const name of ['seen', 'unseen']) mkdirSync(join(volume, name))
    mount({ source: volume, target: volume, flags: mountFlags.bind })
    mount({ source: 'none', target: volume, flags: mountFlags.shared })
    const bind = { source: volume, destination: '/x', readonly: false, recursive: true }
    const following = seenByDaemon(await share.addBind('c1', { ...bind, follow: true }))
    const still = seenByDaemon(await share.addBind('c1', bind))
    mount({ source: 'tmpfs', target: join(volume, 'seen'), type: 'tmpfs' })
    writeFileSync(join(volume, 'seen/later'), '')
    expect(readdirSync(join(following, 'seen'))).toEqual(['later'])
    expect(readdirSync(join(still, 'seen'))).toEqual([])
    unmount(join(volume, 'seen'))
    expect(readdirSync(join(following, 'seen'))).toEqual([])
  })

  test('what the host mounts later could be written below a read-only bind: a daemon that is root is not given it', async () => {
    const volume = source('volume')
    mkdirSync(join(volume, 'later'))
    mount({ source: volume, target: volume, flags: mountFlags.bind })
    mount({ source: 'none', target: volume, flags: mountFlags.shared })
    const bind = { source: volume, destination: '/x', readonly: true, recursive: true }
    await share.addBind('c1', bind)
    const held = [...ledger.held]
    const asked = share.addBind('c2', { ...bind, follow: true })
    if (ids === undefined) {
      await expect(asked).rejects.toThrow(
        /^\[SHARE_FOLLOWS_READONLY\] \S*volume .*container c2.*mountPropagation: None/,
      )
      expect(ledger.held).toEqual(held)
      // Docker adds `follow` on its own, so with `followIsOptional` this is the same bind as the first.
      const optional = { ...bind, follow: true, followIsOptional: true }
      expect(await share.addBind('c3', optional)).toBe(await share.addBind('c1', bind))
      return
    }
    const following = seenByDaemon(await asked)
    mount({ source: 'tmpfs', target: join(volume, 'later'), type: 'tmpfs' })
    writeFileSync(join(volume, 'later/seen'), '')
    expect(readdirSync(join(following, 'later'))).toEqual(['seen'])
    expect(errnoOf(() => writeFileSync(join(following, 'planted'), ''))).toBe('EROFS')
    unmount(join(volume, 'later'))
  })

  test('a file system below a directory that an unprivileged daemon cannot be shown is named, in a check before the start too', async () => {
    const house = source('house')
    const [attic, shed] = [join(house, 'attic'), join(house, 'old shed')]
    for (const path of [attic, shed]) mkdirSync(path)
    mount({ source: 'tmpfs', target: attic, type: 'tmpfs' })
    const lowerdir = `lowerdir=${source('one')}:${source('two')}`
    mount({ source: 'overlay', target: shed, type: 'overlay', data: lowerdir })
    const asked = share.addBind('c1', { source: house, destination: '/h', readonly: false, recursive: true })
    const { idmap } = daemon
    if (idmap === undefined) return void (await asked)
    const refused = `[SHARE_NOT_IDMAPPABLE] ${house} cannot be shown to container c1 by an unprivileged virtiofsd: the file system overlay at ${shed} cannot be idmapped (EINVAL)`
    await expect(asked).rejects.toThrow(refused)
    const known = { type: 'bind', source: house, options: ['rbind'] }
    expect(() => requireMappable([known], idmap, 'c1')).toThrow(refused)
    unmount(shed)
    await share.addBind('c1', { source: house, destination: '/h', readonly: false, recursive: true })
  })

  describe('an overlay of the host', () => {
    /** Mounted as containerd does it for an image that is a volume: with an upper layer that nobody writes to. */
    const overlay = (layers: readonly string[], more = ''): string => {
      const [at, upper, work] = ['image', 'no-upper', 'no-work'].map((name) => join(base, name)) as [
        string,
        string,
        string,
      ]
      for (const directory of [at, upper, work]) mkdirSync(directory)
      const data = `lowerdir=${layers.join(':')},upperdir=${upper},workdir=${work}${more}`
      mount({ source: 'overlay', target: at, type: 'overlay', data })
      return at
    }
    const bind = { destination: '/image', readonly: true, recursive: true }
    const text = (guestPath: string) => readFileSync(seenByDaemon(guestPath), 'utf8')

    test('that is thrown away is shown to be read, whole and in part, and its layers stay as they are', async () => {
      const [top, low] = [source('top: a,b'), source('low')]
      mkdirSync(join(low, 'deep'))
      writeFileSync(join(low, 'deep/file'), 'of the lower layer')
      const image = overlay([top.replace(':', '\\:').replace(',', '\\,'), low], ',volatile')
      const whole = await share.addBind('c1', { ...bind, source: image })
      expect([text(`${whole}/hello`), text(`${whole}/deep/file`)]).toEqual(['top: a,b', 'of the lower layer'])
      const part = await share.addBind('c1', { ...bind, source: join(image, 'deep') })
      const file = await share.addBind('c2', { ...bind, source: join(image, 'deep/file') })
      expect([text(`${part}/file`), text(file)]).toEqual(Array(2).fill('of the lower layer'))
      expect(await share.addBind('c2', { ...bind, source: image })).toBe(whole)
      expect(errnoOf(() => asDaemon(() => writeFileSync(`${seenByDaemon(whole)}/x`, '')))).toBe('EROFS')
      expect(lstatSync(seenByDaemon(`${whole}/hello`)).uid).toBe(ids === undefined ? 0 : first)
      expect(readdirSync(join(base, 'state/scratch'))).toEqual([])
      expect([readdirSync(top), readdirSync(join(base, 'no-upper'))]).toEqual([['hello'], []])
    })

    test('is no reason for a daemon that is root, as a volume that is only read', () => {
      const { idmap } = daemon
      if (idmap === undefined) return
      const known = { type: 'bind', source: overlay([source('one'), source('two')], ',volatile') }
      const required = (isOnlyRead: boolean) => () =>
        requireMappable([{ ...known, options: ['rbind'], isOnlyRead }], idmap, 'c1')
      expect(required(true)).not.toThrow()
      expect(required(false)).toThrow('[SHARE_NOT_IDMAPPABLE]')
    })

    test('of one layer is that layer', async () => {
      const image = overlay([source('only')], ',volatile')
      expect(text(`${await share.addBind('c1', { ...bind, source: image })}/hello`)).toBe('only')
    })

    test('without an upper layer is shown as well', async () => {
      const at = join(base, 'lower-only')
      mkdirSync(at)
      const data = `lowerdir=${source('one')}:${source('two')}`
      mount({ source: 'overlay', target: at, type: 'overlay', data })
      expect(text(`${await share.addBind('c1', { ...bind, source: at })}/hello`)).toBe('one')
    })

    test('of which a file is mounted elsewhere is shown there', async () => {
      const [image, elsewhere] = [
        overlay([source('one'), source('two')], ',volatile'),
        join(base, 'elsewhere'),
      ]
      writeFileSync(elsewhere, '')
      mount({ source: join(image, 'hello'), target: elsewhere, flags: mountFlags.bind })
      expect(text(await share.addBind('c1', { ...bind, source: elsewhere }))).toBe('one')
    })

    test.each([1, 2])('that has lost one of %d layers is refused, and nothing is left', async (count) => {
      const layers = ['one', 'two'].slice(0, count).map(source)
      const image = overlay(layers, ',volatile')
      renameSync(layers[0]!, `${layers[0]}-gone`)
      if (ids === undefined) return
      const held = [...ledger.held]
      await expect(share.addBind('c1', { ...bind, source: image })).rejects.toThrow(
        /^\[SHARE_NOT_IDMAPPABLE\].*image.*ENOENT/,
      )
      expect([readdirSync(join(base, 'state/scratch')), ledger.held]).toEqual([[], held])
    })

    test('that may change is refused to an unprivileged daemon: what it shows would not', async () => {
      const image = overlay([source('one'), source('two')])
      const asked = share.addBind('c1', { ...bind, source: image })
      if (ids === undefined) await asked
      else await expect(asked).rejects.toThrow(/^\[SHARE_NOT_IDMAPPABLE\].*image.*EINVAL/)
    })

    test.each([
      ['to be written', { readonly: false }],
      ['with the mounts that come later', { follow: true }],
    ])('%s is refused to an unprivileged daemon', async (_, wish) => {
      const image = overlay([source('one'), source('two')], ',volatile')
      const asked = share.addBind('c1', { ...bind, source: image, ...wish })
      if (ids === undefined && 'follow' in wish)
        await expect(asked).rejects.toThrow('[SHARE_FOLLOWS_READONLY]')
      else if (ids === undefined) await asked
      else await expect(asked).rejects.toThrow('[SHARE_NOT_IDMAPPABLE]')
    })

    test('with something written in it, or mounted, is refused to an unprivileged daemon', async () => {
      const image = overlay([source('one'), source('two')], ',volatile')
      mkdirSync(join(image, 'mine'))
      mount({ source: 'tmpfs', target: join(image, 'mine'), type: 'tmpfs' })
      const refused = async () => {
        const asked = share.addBind('c1', { ...bind, source: image })
        if (ids === undefined) await asked
        else await expect(asked).rejects.toThrow('[SHARE_NOT_IDMAPPABLE]')
      }
      await refused()
      unmount(join(image, 'mine'))
      await refused()
    })
  })

  test('the tree itself cannot be written by the daemon', async () => {
    await share.addBind('c1', { source: source('v'), destination: '/v', readonly: false, recursive: false })
    expect(errnoOf(() => writeFileSync(`${seenByDaemon(kataGuestSharedDir)}/planted`, ''))).toBe('EROFS')
  })

  test('removing a container takes its entries away for the daemon too, and nobody else’s', async () => {
    const one = await share.addBind('c1', {
      source: source('a'),
      destination: '/x',
      readonly: false,
      recursive: false,
    })
    const two = await share.addBind('c2', {
      source: source('b'),
      destination: '/x',
      readonly: false,
      recursive: false,
    })
    await share.removeContainer('c1')
    await share.removeContainer('c1')
    expect(existsSync(seenByDaemon(one))).toBe(false)
    expect(readFileSync(`${seenByDaemon(two)}/hello`, 'utf8')).toBe('b')
    expect(existsSync(join(base, 'a/hello'))).toBe(true)
  })

  test('what of a container cannot be released keeps neither its other entries nor its root file system', async () => {
    const holdings = [...ledger.held]
    const bind = (name: string) =>
      share.addBind('c1', { source: source(name), destination: '/x', readonly: false, recursive: false })
    await share.addRootfs('c1', [{ type: 'bind', source: source('root'), options: ['rbind', 'rw'] }])
    const entries = [await bind('a'), await bind('b'), await bind('c')]
    const place = join(base, 'state/share', entries[1]!.slice(kataGuestSharedDir.length))
    unmount(place)
    writeFileSync(join(place, 'left'), '')
    await expect(share.removeContainer('c1')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    expect(ledger.held).toEqual([...holdings, 'directory'])
    rmSync(join(place, 'left'))
  })

  test('a link that a container left in a volume leads a later one nowhere', async () => {
    source('secret')
    const volume = source('volume')
    const bind = { destination: '/x', readonly: true, recursive: false }
    const writable = await share.addBind('c1', { ...bind, source: volume, readonly: false })
    asDaemon(() => symlinkSync('../secret', `${seenByDaemon(writable)}/sub`))
    // The positive control: the link is root's on the host, and leads to the other directory.
    expect(lstatSync(join(volume, 'sub')).uid).toBe(0)
    expect(readFileSync(join(volume, 'sub/hello'), 'utf8')).toBe('secret')
    for (const path of ['sub', 'sub/hello'])
      await expect(share.addBind('c2', { ...bind, source: join(volume, path) })).rejects.toThrow(
        /^\[SOURCE_LINK\] .*volume\/sub in its path/,
      )
  })

  test('what cannot be mounted leaves nothing behind', async () => {
    const holdings = [...ledger.held]
    listenUnix(join(base, 'socket'))
    const bind = (path: string) =>
      share.addBind('c1', { source: path, destination: '/x', readonly: true, recursive: false })
    const rootfs = (type: string, options: string[], from = base) =>
      share.addRootfs('c1', [{ type, source: from, options }])
    await expect(bind(join(base, 'nothing'))).rejects.toThrow(/^\[SHARE_SOURCE_MISSING\].*ENOENT/)
    await expect(bind(join(base, 'socket'))).rejects.toThrow(/^\[SHARE_SOURCE_KIND\].*socket/)
    await expect(rootfs('bind', ['rbind'], join(base, 'nothing'))).rejects.toThrow(
      /^\[SHARE_SOURCE_MISSING\]/,
    )
    await expect(rootfs('overlay', ['lowerdir=/nonexistent'])).rejects.toThrow(
      /^\[SHARE_SOURCE_MISSING\].*ENOENT/,
    )
    await expect(rootfs('ext4', ['loop'])).rejects.toThrow(/^\[SHARE_MOUNT_INVALID\]/)
    await expect(rootfs('nosuchfs', [])).rejects.toThrow(/^\[SHARE_MOUNT_FAILED\].*ENODEV/)
    await expect(share.addRootfs('../c1', [])).rejects.toThrow(/^\[ID_INVALID\]/)
    expect(ledger.held).toEqual(holdings)
  })

  test('a container made again has an entry that the guest has not seen', async () => {
    const request = { type: 'bind', source: source('root'), options: ['rbind', 'rw'] }
    const paths: string[] = []
    for (let made = 0; made < 3; made++) {
      const { path } = await share.addRootfs('again', [request])
      expect(readFileSync(`${seenByDaemon(path)}/hello`, 'utf8')).toBe('root')
      await share.removeContainer('again')
      paths.push(path)
    }
    expect(paths).toEqual(
      ['again', 'again~1', 'again~2'].map((name) => `${kataGuestSharedDir}/${name}/rootfs`),
    )
  })

  test('its name tells how many have gone from the pod before, and is kept of none of these', async () => {
    const request = { type: 'bind', source: source('root'), options: ['rbind', 'rw'] }
    const nameOf = async (id: string) =>
      (await share.addRootfs(id, [request])).path.slice(kataGuestSharedDir.length)
    expect(await nameOf('one')).toBe('/one/rootfs')
    expect(await nameOf('two')).toBe('/two/rootfs')
    await share.removeContainer('one')
    expect(await nameOf('three')).toBe('/three~1/rootfs')
    await expect(share.addRootfs('two', [request])).rejects.toThrow(/^\[SHARE_ENTRY_TAKEN\]/)
    await share.removeContainer('two')
    expect(await nameOf('one')).toBe('/one~2/rootfs')
  })

  test('the second root file system of a container is refused and the first one stays', async () => {
    const request = { type: 'bind', source: source('root'), options: ['rbind', 'rw'] }
    const { path } = await share.addRootfs('c1', [request])
    await expect(share.addRootfs('c1', [request])).rejects.toThrow(/^\[SHARE_ENTRY_TAKEN\]/)
    expect(readFileSync(`${seenByDaemon(path)}/hello`, 'utf8')).toBe('root')
  })

  test('another process can release everything from the ledger', async () => {
    await share.addRootfs('c1', [{ type: 'bind', source: source('root'), options: ['rbind'] }])
    await openLedger().releaseAll()
    expect(existsSync(join(base, 'root/hello'))).toBe(true)
    ledger = openLedger()
  })

  test('both processes of the daemon are confined', () => {
    const uid = ids === undefined ? 0 : first
    const [supervisor, worker] = daemon.processes.map(({ pid }) => readStatus(`/proc/${pid}/status`)!)
    for (const status of [supervisor!, worker!]) {
      expect(status.get('Uid')).toBe([uid, uid, uid, uid].join('\t'))
      expect(status.get('NoNewPrivs')).toBe('1')
      expect(status.get('Seccomp')).toBe('2')
      for (const set of ['CapInh', 'CapBnd', 'CapAmb']) expect(status.get(set)).toBe('0000000000000000')
    }
    expect(supervisor!.get('CapEff')).toBe('0000000000000000')
    expect(worker!.get('CapPrm')).toBe('00000000880000db')
    expect(lstatSync(join(base, 'private/vhost-fs.sock')).mode & 0o777).toBe(0o600)
    for (const { pid } of daemon.processes) {
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('')
      expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/Max core file size +0 +0/)
      const map = ids === undefined ? ['0 0 4294967295'] : idMapLines(ids)
      for (const name of ['uid_map', 'gid_map']) {
        const lines = readFileSync(`/proc/${pid}/${name}`, 'utf8').trim().split('\n')
        expect(lines.map((line) => line.trim().replace(/ +/g, ' '))).toEqual(map)
      }
    }
  })

  test('without set-id bits it has neither the capability to keep them nor the one for those of programs', async () => {
    await ledger.release(virtiofsdResource)
    daemon = await startVirtiofsd(ledger, { ...spec, nosuid: true })
    expect(readStatus(`/proc/${daemon.processes[1]!.pid}/status`)!.get('CapEff')).toBe('00000000080000cb')
  })

  test('a second daemon beside it serves volumes alone, refuses set-id bits, and both are gone at the end', async () => {
    const place = { stateDir: join(base, 'state'), exportDir: join(base, 'export-volumes') }
    const tree = await createExportedTree(ledger, place, 'volumes')
    const named = { ...spec, name: 'virtiofsd-volumes', nosuid: true, sharedDir: tree.exported } as const
    const second = await startVirtiofsd(ledger, named)
    const volumes = createVolumeShare(ledger, tree, second)
    const path = await volumes.addBind('c1', {
      source: source('volume'),
      destination: '/v',
      readonly: false,
      recursive: true,
    })
    expect(path).toStartWith(`${volumes.guestPath}/c1-`)
    const seen = `/proc/${second.processes[1]!.pid}/root${path.slice(volumes.guestPath.length)}`
    expect(readFileSync(`${seen}/hello`, 'utf8')).toBe('volume')
    expect(existsSync(seenByDaemon(`${kataGuestSharedDir}${path.slice(volumes.guestPath.length)}`))).toBe(
      false,
    )
    expect(readStatus(`/proc/${second.processes[1]!.pid}/status`)!.get('CapEff')).toBe('00000000080000cb')
    expect(readStatus(`/proc/${daemon.processes[1]!.pid}/status`)!.get('CapEff')).toBe('00000000880000db')
    expect(readPostureRecords(place.stateDir).map(({ name }) => name)).toEqual([
      ...['virtiofsd', 'virtiofsd-volumes', 'virtiofsd-volumes-worker', 'virtiofsd-worker'],
    ])
    await volumes.removeContainer('c1')
    expect(readdirSync(tree.entries)).toEqual([])
    await ledger.releaseAll()
    expect(second.processes.filter(isAlive)).toEqual([])
    expect(existsSync(place.exportDir)).toBe(false)
  })

  test('no node that lies in a volume or a layer is a device to it', async () => {
    for (const name of ['volume', 'layer', 'upper', 'work']) mkdirSync(join(base, name))
    for (const name of ['volume', 'layer'])
      Bun.spawnSync(['mknod', '-m', '666', join(base, name, 'zero'), 'c', '1', '5'])
    const bind = { source: join(base, 'volume'), destination: '/v', readonly: false, recursive: true }
    const options = [`lowerdir=${base}/layer`, `upperdir=${base}/upper`, `workdir=${base}/work`]
    const shown = [
      await share.addBind('c1', bind),
      (await share.addRootfs('c1', [{ type: 'overlay', source: 'overlay', options }])).path,
      (await share.addRootfs('c2', [{ type: 'bind', source: join(base, 'layer'), options: ['rbind'] }])).path,
    ]
    const { pid } = daemon.processes[1]!
    const enter = ['nsenter', `--user=/proc/${pid}/ns/user`, '--setuid', '0', '--setgid', '0', '--']
    const first = (path: string) => {
      const { exitCode, stderr } = Bun.spawnSync([...(ids === undefined ? [] : enter), 'head', '-c1', path])
      return `${exitCode} ${stderr.toString().trim().split(': ').at(-1)}`
    }
    const refused = '1 Permission denied'
    expect(shown.map((path) => first(`${seenByDaemon(path)}/zero`))).toEqual([refused, refused, refused])
  })

  test('the end of the connection ends the daemon', async () => {
    const connection = share.connect()
    expect(() => share.connect()).toThrow(/^\[SHARE_CONNECTION_TAKEN\]/)
    closeSync(connection)
    expect((await share.exited).signal).toBeNull()
  })

  test('a daemon that is killed is noticed, and its other process does not stay', async () => {
    process.kill(daemon.processes[0]!.pid, 'SIGKILL')
    expect((await share.exited).signal).toBe('SIGKILL')
    expect(await waitGone(daemon.processes[1]!, 5000)).toBe(true)
  })

  test('kill -9 of the runtime ends the daemon, though another process holds its connection', async () => {
    mkdirSync(join(base, 'other'))
    const runtime = Bun.spawn([process.execPath, '-e', orphanMaker, join(base, 'other')], { stdout: 'pipe' })
    const { value } = await runtime.stdout.getReader().read()
    const { holder, processes } = JSON.parse(new TextDecoder().decode(value))
    expect([holder, ...processes].filter(isAlive)).toHaveLength(3)
    runtime.kill('SIGKILL')
    await runtime.exited
    for (const ref of processes) expect(await waitGone(ref, 5000)).toBe(true)
    await killAndWait(holder)
    unmountBelow(join(base, 'other'))
  })

  test('a start that is given up ends at once, and leaves nothing', async () => {
    await ledger.release(virtiofsdResource)
    const held = [...ledger.held]
    const given = new AbortController()
    // In its middle where there is one, at the first look where there is not.
    const inTheMiddle = () => given.abort(new Error('given up'))
    if (spec.ids === undefined) inTheMiddle()
    const start = startVirtiofsd(ledger, { ...spec, accept: inTheMiddle, signal: given.signal })
    await expect(start).rejects.toThrow('given up')
    expect(ledger.held).toEqual(held)
    expect(existsSync(join(base, 'private/vhost-fs.sock'))).toBe(false)
    daemon = await startVirtiofsd(ledger, spec)
  })

  test('a daemon that cannot be started is a coded error that shows what it said', async () => {
    const spec = {
      sharedDir: base,
      stateDir: base,
      privateDir: base,
      program: '/usr/libexec/virtiofsd',
      cache: 'auto' as const,
      nosuid: false,
      extraArgs: ['--no-such-option'],
    }
    await expect(startVirtiofsd(ledger, spec)).rejects.toThrow(/^\[VIRTIOFSD_FAILED\].*--no-such-option/s)
    await expect(startVirtiofsd(ledger, { ...spec, program: join(base, 'none') })).rejects.toThrow(
      /^\[VIRTIOFSD_MISSING\].*ENOENT/,
    )
    writeFileSync(join(base, 'plain'), '')
    chmodSync(join(base, 'plain'), 0o644)
    await expect(startVirtiofsd(ledger, { ...spec, program: join(base, 'plain') })).rejects.toThrow(
      /^\[VIRTIOFSD_MISSING\].*EACCES/,
    )
    expect(existsSync(join(base, 'vhost-fs.sock'))).toBe(false)
  })

  test('the name of an entry keeps nothing of a destination but its cleaned last part', () => {
    expect(bindEntryName('c', '/a/../../b c')).toMatch(/^c-[0-9a-f]{16}-b_c$/)
    expect(bindEntryName('c', '/')).toMatch(/^c-[0-9a-f]{16}-mount$/)
    expect(bindEntryName('c', `/${'x'.repeat(500)}`).length).toBeLessThan(100)
  })
})
