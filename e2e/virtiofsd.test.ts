/**
 * What a share is to the guest when its daemon is nobody on the host: files have the owners, modes and attributes
 * that were asked for, on disk as well; and what is left when it ends, however it ends.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { getXattr } from '../src/linux/files/inode.ts'
import { mount, unmount } from '../src/linux/mounts/mount.ts'
import { isAlive, processRef } from '../src/linux/processes/proc.ts'
import type { SandboxFacts } from '../src/sandbox/records/facts.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable } from './harness/vmm.ts'

let kata: Kata
let before: HostState
let dir: ReturnType<typeof scratch>
beforeAll(async () => {
  kata = new Kata()
  dir = scratch()
  const source = resolve(import.meta.dir, 'virtiofsd/probe.c')
  const built = Bun.spawnSync([
    'gcc',
    '-O1',
    '-Wall',
    '-Werror',
    '-static',
    '-o',
    `${dir.path}/probe`,
    source,
  ])
  if (built.exitCode !== 0) throw new Error(`gcc: ${built.stderr}`)
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
}, slow(60_000))
afterAll(async () => {
  await kata.close()
  dir[Symbol.dispose]()
}, slow(60_000))

const sameAsBefore = () => expect(leftBehind(before, hostState(kata.runDir))).toEqual([])

/** Starts a container in the background that shows the probe at /tools. */
async function start(name: string, flags: readonly string[] = [], { says = '' } = {}): Promise<SandboxFacts> {
  const volumes = ['-v', `${dir.path}/probe:/probe:ro`]
  const args = ['run', '-d', '--name', name, ...volumes, ...flags, '--', 'sleep', '600']
  const { code, stderr } = await kata.call(args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: says === '' ? '' : expect.stringContaining(says) })
  return (await kata.inspect(name)).sandbox as SandboxFacts
}

async function inGuest(name: string, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await kata.call(['exec', name, '--', ...command])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** What the probe gets in a root file system. */
const acts = {
  write: 'ok',
  chown: 'ok',
  'chown-highest': 'ok',
  // An id that the namespace does not have.
  'chown-beyond': 'EINVAL',
  'setuid-bit': 'ok',
  sticky: 'ok',
  capability: 'ok',
  attribute: 'ok',
  'trusted-attribute': 'EPERM',
  fifo: 'ok',
  socket: 'ok',
  symlink: 'ok',
  'hard-link': 'ok',
  'character-device': 'EPERM',
  'block-device': 'EPERM',
  'rename-over': 'ok',
  delete: 'ok',
  'big-file': 'ok',
}
/** And in a volume, which takes no program with rights of its own. */
const volumeActs = { ...acts, 'setuid-bit': 'EPERM', capability: 'EPERM' }

const parse = (text: string) =>
  Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  )

/** What the acts must have left on disk, as root of the host sees it. */
function expectOnDisk(directory: string, { isVolume = false } = {}): void {
  const facts = (name: string) => {
    const { uid, gid, mode, nlink } = lstatSync(join(directory, name))
    return { uid, gid, mode: mode.toString(8), nlink }
  }
  const root = { uid: 0, gid: 0, nlink: 1 }
  expect(facts('plain')).toEqual({ ...root, mode: '100644', nlink: 2 })
  expect(facts('foreign')).toEqual({ ...root, uid: 1234, gid: 4321, mode: '100644' })
  expect(facts('highest')).toEqual({ ...root, uid: 4294967294, gid: 4294967294, mode: '100644' })
  expect(facts('setuid')).toEqual({ ...root, mode: isVolume ? '100644' : '106755' })
  expect(facts('sticky')).toEqual({ ...root, mode: '41777', nlink: 2 })
  expect(facts('fifo')).toEqual({ ...root, mode: '10640' })
  expect(facts('socket')).toMatchObject({ uid: 0, gid: 0, mode: '140755' })
  expect(readlinkSync(join(directory, 'symlink'))).toBe('/etc/shadow')
  expect(lstatSync(join(directory, 'hard-link')).ino).toBe(lstatSync(join(directory, 'plain')).ino)
  expect(readFileSync(join(directory, 'old'), 'utf8')).toBe('new')
  expect(existsSync(join(directory, 'new'))).toBe(false)
  expect(existsSync(join(directory, 'gone'))).toBe(false)
  expect(getXattr(join(directory, 'marked'), 'user.mark').toString()).toBe('value')
  const capability = () => getXattr(join(directory, 'capable'), 'security.capability').toString('hex')
  if (isVolume) expect(capability).toThrow('ENODATA')
  // The form of version 2, as an image has it: permitted bit 10, effective.
  else expect(capability()).toBe('0100000200040000000000000000000000000000')
  const big = readFileSync(join(directory, 'big'))
  expect(big.length).toBe(24 << 20)
  for (const megabyte of [0, 7, 23])
    expect(big.readUInt32LE((megabyte << 20) + 4 * 77)).toBe((Math.imul(77, 2654435761) + megabyte) >>> 0)
}

describe('an unprivileged daemon', () => {
  let facts: SandboxFacts
  let volume: string
  beforeAll(async () => {
    volume = `${dir.path}/volume`
    mkdirSync(join(volume, 'inner'), { recursive: true })
    mount({ source: 'tmpfs', target: join(volume, 'inner'), type: 'tmpfs', data: 'mode=0755' })
    writeFileSync(`${dir.path}/single`, 'one')
    writeFileSync(join(volume, 'secret'), 'of root', { mode: 0o600 })
    facts = await start('files', [
      ...['-v', `${volume}:/volume`, '-v', `${volume}:/frozen:ro`, '-v', `${dir.path}/single:/single`],
    ])
  }, slow(60_000))
  afterAll(async () => {
    await kata.call(['rm', '-f', 'files'])
    unmount(join(volume, 'inner'))
    sameAsBefore()
  }, slow(60_000))

  test('is nobody on the host, in the block of its VMM', () => {
    expect(facts.virtiofsdUid).toBe(facts.uid - 65535)
    expect(facts.virtiofsdPids).toHaveLength(4)
    for (const pid of facts.virtiofsdPids)
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toContain(`\nUid:\t${facts.virtiofsdUid}\t`)
  })

  test('volumes: everything a program does, and the same on disk', async () => {
    expect(parse(await inGuest('files', '/probe', '/volume'))).toEqual(volumeActs)
    expectOnDisk(volume, { isVolume: true })
  })

  test('what is mounted in a volume is there too, with its owners', async () => {
    await inGuest('files', 'sh', '-c', 'echo x > /volume/inner/new; chown 7:8 /volume/inner/new')
    expect(lstatSync(join(volume, 'inner/new'))).toMatchObject({ uid: 7, gid: 8 })
  })

  test('a single file, and a file that only root may read', async () => {
    expect(await inGuest('files', 'sh', '-c', 'cat /single /volume/secret; echo two > /single')).toBe(
      'oneof root',
    )
    expect(readFileSync(`${dir.path}/single`, 'utf8')).toBe('two\n')
  })

  test('a read-only volume refuses, the mounts in it as well', async () => {
    const refused = await inGuest(
      'files',
      'sh',
      '-c',
      '(echo > /frozen/x) 2>&1; (echo > /frozen/inner/x) 2>&1; true',
    )
    expect(refused.match(/Read-only file system/g)).toHaveLength(2)
  })

  test('the root file system: the same acts, and the upper layer is what a commit takes', async () => {
    await inGuest('files', 'mkdir', '/made')
    expect(parse(await inGuest('files', '/probe', '/made'))).toEqual(acts)
    const upper = join(kata.stateDir, 'containers/default/files/upper')
    expectOnDisk(join(upper, 'made'))
    await inGuest(
      'files',
      'sh',
      '-c',
      'rm /bin/ls; rm -r /opt; mkdir /opt; touch /opt/a; mv /bin/vi /bin/ed2',
    )
    // Deletions are whiteouts, character devices 0:0; a directory made anew hides the one below.
    for (const name of ['bin/ls', 'bin/vi'])
      expect(lstatSync(join(upper, name))).toMatchObject({ mode: 0o020000, rdev: 0, uid: 0, gid: 0 })
    expect(getXattr(join(upper, 'opt'), 'trusted.overlay.opaque').toString()).toBe('y')
    const tar = Bun.spawnSync([
      'tar',
      '--numeric-owner',
      '-cf',
      '-',
      '-C',
      upper,
      'made/foreign',
      'made/setuid',
    ])
    const listed = Bun.spawnSync(['tar', '--numeric-owner', '-tvf', '-'], {
      stdin: tar.stdout,
    }).stdout.toString()
    expect(listed).toMatch(/^-rw-r--r-- 1234\/4321 .* made\/foreign$/m)
    expect(listed).toMatch(/^-rwsr-sr-x 0\/0 .* made\/setuid$/m)
  })

  test('capabilities of a program take effect in the guest', async () => {
    const asUser = async () => {
      const { stdout } = await kata.call(['exec', '--user', '1000', 'files', '--', '/made/program', 'caps'])
      return BigInt(`0x${stdout.split('\t')[1]?.trim()}`)
    }
    await inGuest('files', 'cp', '/probe', '/made/program')
    expect(await asUser()).toBe(0n)
    await inGuest('files', '/probe', 'grant', '/made/program')
    expect(await asUser()).toBe(1n << 10n)
  })

  test('symlinks lead to files of the container, never of the host', async () => {
    const { code, stderr } = await kata.call(['exec', 'files', '--', 'cat', '/volume/symlink'])
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('No such file') })
  })
})

describe('where a share takes no id map', () => {
  let overlay: string
  beforeAll(() => {
    overlay = `${dir.path}/overlay`
    for (const name of ['lower', 'lowest', 'overlay']) mkdirSync(`${dir.path}/${name}`)
    writeFileSync(`${dir.path}/lower/hello`, 'from below')
    const data = `lowerdir=${dir.path}/lower:${dir.path}/lowest`
    mount({ source: 'overlay', target: overlay, type: 'overlay', data })
  })
  afterAll(async () => {
    await kata.call(['rm', '-f', 'as-root'])
    unmount(overlay)
    sameAsBefore()
  }, slow(60_000))

  const configured = (privilege: string): string => {
    const file = `${dir.path}/${privilege}.toml`
    writeFileSync(file, hypervisorTable(`virtio_fs_privilege = "${privilege}"\n`))
    return file
  }

  test(
    'auto serves it as root, and says so once',
    async () => {
      const facts = await start('fallen-back', ['--config', configured('auto'), '-v', `${overlay}:/o`], {
        says: `${overlay} cannot be shown`,
      })
      expect(facts.virtiofsdUid).toBe(0)
      expect(await inGuest('fallen-back', 'cat', '/o/hello')).toBe('from below')
      const log = readFileSync(`${kata.stateDir}/containers/default/fallen-back/bundle/shim.log`, 'utf8')
      const said = log.split('\n').filter((line) => line.includes('virtiofsd is root'))
      expect(said.map((line) => JSON.parse(line))).toMatchObject([{ level: 'warn' }])
      await kata.call(['rm', '-f', 'fallen-back'])
    },
    slow(60_000),
  )

  test(
    'it is refused by name, unless told otherwise',
    async () => {
      const flags = ['-v', `${overlay}:/o`]
      const { code, stderr } = await kata.run(['true'], { flags })
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/\[SHARE_NOT_IDMAPPABLE\].*EINVAL.*virtio_fs_privilege/)
      expect(stderr).toContain(overlay)
    },
    slow(60_000),
  )

  test(
    'what is only read of one without an upper layer needs no root',
    async () => {
      const facts = await start('only-read', ['--config', configured('auto'), '-v', `${overlay}:/o:ro`])
      expect(facts.virtiofsdUid).toBeGreaterThan(0)
      expect(await inGuest('only-read', 'cat', '/o/hello')).toBe('from below')
      await kata.call(['rm', '-f', 'only-read'])
    },
    slow(60_000),
  )

  test(
    'no id of the container makes it root',
    async () => {
      const flags = ['--user', '3000000000:4294967294']
      const { stdout } = await kata.run(['sh', '-c', 'id -u; id -g'], { flags })
      expect(stdout).toBe('3000000000\n4294967294\n')
    },
    slow(60_000),
  )

  test(
    'root is root, whatever the share is',
    async () => {
      const facts = await start('as-root', ['--config', configured('root')], {
        says: 'virtio_fs_privilege = "root"',
      })
      expect(facts.virtiofsdUid).toBe(0)
      expect(await inGuest('as-root', 'sh', '-c', 'mkdir /d && /probe /d | grep -c ok')).toBe('17\n')
    },
    slow(60_000),
  )
})

describe('kill -9', () => {
  test.each([
    ['of the process that waits', 0],
    ['of the one that serves', 1],
  ])(
    '%s ends the sandbox, and nothing is left',
    async (_, which) => {
      const name = `killed-${which}`
      const client = kata.call(['run', '--rm', '--name', name, '-v', `${dir.path}:/v`, '--', 'sleep', '600'])
      await kata.runs(name, client)
      const { virtiofsdPids } = (await kata.inspect(name)).sandbox as SandboxFacts
      const refs = virtiofsdPids.map((pid) => processRef(pid)!)
      process.kill(virtiofsdPids[which]!, 'SIGKILL')
      const { code, stderr } = await client
      expect(code).toBe(255)
      expect(stderr).toContain('SANDBOX_DIED')
      expect(refs.filter(isAlive)).toEqual([])
      sameAsBefore()
    },
    slow(60_000),
  )

  test(
    'of the shim takes both with it, and gc leaves nothing',
    async () => {
      const facts = await start('orphaned')
      const refs = facts.virtiofsdPids.map((pid) => processRef(pid)!)
      process.kill(facts.shimPid, 'SIGKILL')
      await eventually('virtiofsd to follow', () => refs.every((ref) => !isAlive(ref)) || undefined)
      expect((await kata.call(['gc'])).code).toBe(0)
      await kata.call(['rm', '-f', 'orphaned'])
      sameAsBefore()
    },
    slow(60_000),
  )
})
