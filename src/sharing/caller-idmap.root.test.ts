import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { Ledger } from '../ledger/ledger.ts'
import { mount, unmount } from '../linux/mounts/mount.ts'
import { openLocation } from '../linux/mounts/mount-tree.ts'
import { processRef } from '../linux/processes/proc.ts'
import { mapUserNamespace } from '../linux/processes/user-namespace.ts'
import { silentLogger } from '../log.ts'
import { createBinds } from './binds.ts'
import { callerIdmap } from './caller-idmap.ts'
import { type Idmap, mappedBind } from './idmap.ts'
import { directoryResource, mountResource } from './resources.ts'
import { shareIdMap } from './share-id-map.ts'
import { enterMountSandbox, type MountSandbox } from './testing.ts'

const map = shareIdMap({ first: 0x6f000000, count: 65535 })
const [alice, aliceGroup, bob] = [4242, 4243, 4300]
const purpose = { source: '/home', container: 'c1' }

// Hooks and tests start programs, which takes a while.
setDefaultTimeout(60_000)

let sandbox: MountSandbox
let holder: Bun.Subprocess<'pipe', 'pipe', 'pipe'>
let daemon: Bun.Subprocess<'pipe', 'pipe', 'pipe'>
let idmap: Idmap
let home: string
let shown: string

beforeAll(async () => {
  sandbox = enterMountSandbox()
  // Stands for the daemon: root of a user namespace, with all capabilities there, which runs the commands that it is sent.
  holder = Bun.spawn(['/usr/bin/unshare', '--user', '--', '/usr/bin/cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const userNamespace = await mapUserNamespace(processRef(holder.pid)!, map, { timeoutMs: 10_000 })
  const enter = ['/usr/bin/nsenter', `--user=/proc/${holder.pid}/ns/user`, '--setuid=0', '--setgid=0']
  daemon = Bun.spawn([...enter, '--', '/bin/sh'], { stdio: ['pipe', 'pipe', 'pipe'] })
  idmap = { userNamespace: userNamespace!, first: map[0]!.outside, map }
})
afterAll(() => {
  for (const child of [daemon, holder]) child.kill()
  closeSync(idmap.userNamespace)
  sandbox.leave()
})
beforeEach(() => {
  home = `${sandbox.directory}/home`
  shown = `${sandbox.directory}/shown`
  rmSync(home, { recursive: true, force: true })
  for (const path of [home, shown]) mkdirSync(path, { recursive: true })
  file('mine', 0o600, alice, aliceGroup)
  file('roots', 0o600, 0, 0)
  file('bobs', 0o600, bob, bob)
  file('for-all', 0o644, 0, 0)
  file('for-the-group', 0o640, 0, aliceGroup)
  chownSync(home, alice, aliceGroup)
})

function file(name: string, mode: number, uid: number, gid: number): void {
  writeFileSync(`${home}/${name}`, name)
  chownSync(`${home}/${name}`, uid, gid)
  chmodSync(`${home}/${name}`, mode)
}

/** The output of a shell of the daemon, with its errors. */
async function ask(words: string): Promise<string> {
  daemon.stdin.write(`cd ${shown}; { ${words}; } 2>&1; echo; echo .end\n`)
  await daemon.stdin.flush()
  let text = ''
  for await (const chunk of daemon.stdout.values({ preventCancel: true })) {
    text += Buffer.from(chunk).toString()
    if (text.endsWith('.end\n')) break
  }
  return text.replace(/\n?\.end\n$/, '').trim()
}

function show(through: Idmap): Disposable {
  const fd = openLocation(home)
  mappedBind(fd, shown, through, purpose)
  closeSync(fd)
  return { [Symbol.dispose]: () => unmount(shown) }
}

const read = (name: string) => ask(`cat ${name}`)
const denied = /Permission denied/

test('the share’s own map lets root of the container read every file: this is what a user must not get', async () => {
  using _shown = show(idmap)
  expect(await ask('id -u; grep CapEff /proc/self/status')).toMatch(/^0\nCapEff:\s0*1ffffffffff$/)
  expect(await read('roots')).toBe('roots')
  expect(await read('bobs')).toBe('bobs')
})

test('through a user’s map root of the container can do what this user can', async () => {
  using callers = await callerIdmap(idmap, { ...ids(), guestUid: 0, guestGid: 0 }, purpose)
  using _shown = show(callers)
  expect(await read('mine')).toBe('mine')
  expect(await read('for-all')).toBe('for-all')
  expect(await read('for-the-group')).toBe('for-the-group')
  expect(await read('roots')).toMatch(denied)
  expect(await read('bobs')).toMatch(denied)
  expect(await ask('echo x >> for-all')).toMatch(denied)
  expect(await ask('chmod 666 roots')).toMatch(/not permitted|too large/)
  expect(await ask('chown 0 roots')).toMatch(/not permitted|too large/)
})

test('what is made there belongs to the user on the disk, and can be given to nobody', async () => {
  using callers = await callerIdmap(idmap, { ...ids(), guestUid: 0, guestGid: 0 }, purpose)
  using _shown = show(callers)
  expect(await ask('echo new > new; mkdir dir; echo in > dir/in')).toBe('')
  for (const name of ['new', 'dir', 'dir/in']) {
    const { uid, gid } = statSync(`${home}/${name}`)
    expect([name, uid, gid]).toEqual([name, alice, aliceGroup])
  }
  expect(await ask('chown 5 new')).toMatch(/too large|Invalid argument/)
  expect(await ask('mknod disk b 8 0')).toMatch(/not permitted/)
})

test('another user of the container has the ids, and its root then has none', async () => {
  using callers = await callerIdmap(idmap, { ...ids(), guestUid: 1000, guestGid: 1000 }, purpose)
  using _shown = show(callers)
  expect(await ask('stat -c "%u %g" mine')).toBe('1000 1000')
  expect(await ask('echo x > new')).toMatch(/too large|denied/)
})

test('a daemon that is root of the host shows nothing of a user’s', async () => {
  await expect(callerIdmap(undefined, { ...ids(), guestUid: 0, guestGid: 0 }, purpose)).rejects.toThrow(
    '[SHARE_CALLER] /home cannot be shown in container c1',
  )
})

test.each([
  ['user', { guestUid: 65_535, guestGid: 0 }],
  ['group', { guestUid: 0, guestGid: 65_535 }],
])('a %s of the container for whom the daemon has no id is shown nothing', async (_, guest) => {
  const small = { ...idmap, map: [{ inside: 0, outside: idmap.first, count: 65_535 }] }
  await expect(callerIdmap(small, { ...ids(), ...guest }, purpose)).rejects.toThrow('[SHARE_CALLER]')
  // The control: the last id that has a place.
  using callers = await callerIdmap(small, { ...ids(), guestUid: 65_534, guestGid: 65_534 }, purpose)
  expect(callers.map).toEqual([{ inside: alice, outside: idmap.first + 65_534, count: 1 }])
})

test('an overlay is not shown to a user by the layers below: his map of ids would not be on them', async () => {
  const at = (name: string) => `${sandbox.directory}/${name}`
  for (const name of ['one', 'two', 'image', 'images', 'scratch']) mkdirSync(at(name))
  chownSync(at('one'), alice, aliceGroup)
  const data = `lowerdir=${at('one')}:${at('two')}`
  mount({ source: 'overlay', target: at('image'), type: 'overlay', data })
  const ledger = new Ledger(at('image-ledger'), [mountResource, directoryResource], silentLogger)
  const binds = createBinds(ledger, { entries: at('images'), scratch: at('scratch') }, idmap)
  const { dev: device, ino: inode } = statSync(at('image'), { bigint: true })
  const request = { source: at('image'), destination: '/data', readonly: true, recursive: true }
  const caller = { ...ids(), guestUid: 0, guestGid: 0, device, inode }
  await expect(binds.add('c1', { ...request, caller })).rejects.toThrow('[SHARE_NOT_IDMAPPABLE]')
  // The control: root's own is shown so.
  await binds.add('c1', request)
  await ledger.releaseAll()
  unmount(at('image'))
})

test('a bind is what its user opened, or none', async () => {
  const share = `${sandbox.directory}/share`
  mkdirSync(share)
  const ledger = new Ledger(`${sandbox.directory}/ledger`, [mountResource, directoryResource], silentLogger)
  const binds = createBinds(ledger, { entries: share }, idmap)
  const { dev: device, ino: inode } = statSync(home, { bigint: true })
  const caller = { ...ids(), guestUid: 0, guestGid: 0, device, inode }
  const request = { source: home, destination: '/data', readonly: false, recursive: true, caller }
  const name = await binds.add('c1', request)
  expect(statSync(`${share}/${name}/mine`).uid).toBe(idmap.first)
  const ofAnotherDisk = { ...request, caller: { ...caller, device: device + 1n } }
  await expect(binds.add('c1', ofAnotherDisk)).rejects.toThrow('[SHARE_SOURCE_CHANGED]')
  renameSync(home, `${home}-away`)
  mkdirSync(home)
  await expect(binds.add('c1', request)).rejects.toThrow('[SHARE_SOURCE_CHANGED]')
  rmSync(home, { recursive: true })
  symlinkSync(`${home}-away`, home)
  await expect(binds.add('c1', request)).rejects.toThrow('[SOURCE_LINK]')
  rmSync(home)
  await ledger.releaseAll()
})

test('what one user is shown is not what another is shown of the same directory, nor root', async () => {
  const share = `${sandbox.directory}/shares`
  mkdirSync(share)
  const ledger = new Ledger(`${sandbox.directory}/ledgers`, [mountResource, directoryResource], silentLogger)
  const binds = createBinds(ledger, { entries: share }, idmap)
  const { dev: device, ino: inode } = statSync(home, { bigint: true })
  const request = { source: home, destination: '/data', readonly: false, recursive: true }
  const caller = { ...ids(), guestUid: 0, guestGid: 0, device, inode }
  const asked = [
    request,
    { ...request, caller },
    { ...request, caller: { ...caller, uid: bob, gid: bob } },
    { ...request, caller: { ...caller, guestUid: 1000 } },
    { ...request, caller: { ...caller, gid: bob } },
    { ...request, caller: { ...caller, guestGid: 1000 } },
  ]
  const names = []
  for (const one of [...asked, ...asked]) names.push(await binds.add('c1', one))
  expect(names.slice(asked.length)).toEqual(names.slice(0, asked.length))
  expect(new Set(names).size).toBe(asked.length)
  expect(statSync(`${share}/${names[1]}/mine`).uid).toBe(idmap.first)
  expect(statSync(`${share}/${names[2]}/mine`).uid).not.toBe(idmap.first)
  expect(statSync(`${share}/${names[2]}/bobs`).uid).toBe(idmap.first)
  await ledger.releaseAll()
})

function ids() {
  return { uid: alice, gid: aliceGroup, device: 0n, inode: 0n }
}
