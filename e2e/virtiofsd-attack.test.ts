/**
 * The walls around virtiofsd, tried by a program in its place: in the namespaces of a live daemon's serving process,
 * with its ids, capabilities and our filter. Its own seccomp filter does not hold the attacker: what is shown are the
 * other walls alone. Beside each attack the same act succeeds for root outside.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { argumentFilter, setIdFilter } from '../src/rootless/filters/argument-filter.ts'
import type { SandboxFacts } from '../src/sandbox/records/facts.ts'
import { type Results, runActs, runAsRoot } from './attack/stage.ts'
import { ownDirectory } from './harness/directories.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable } from './harness/vmm.ts'
import {
  guestShareAttacks,
  inOwnLayer,
  leftPrograms,
  setIdAttacks,
  shareAttacks,
} from './virtiofsd/attacks.ts'

type Live = SandboxFacts & { readonly stateDir: string }

const kata = new Kata()
/** No capability. */
const none = '0000000000000000'
let directory: string
/** Its volume is one on which the operator allows set-id bits, so that the pod's first daemon serves it. */
let own: Live
/** A pod as it comes: a second daemon serves its volume. */
let guarded: Live
let other: Live
let words: Record<string, string | number>
let inPlace: Results
let root: Results
const servers: { stop(force: boolean): void }[] = []

const fill = (act: string) => act.replace(/\{(\w+)\}/g, (_, name: string) => String(words[name]))

async function start(name: string, volumes: readonly string[], more: readonly string[] = []): Promise<Live> {
  const flags = volumes.flatMap((volume) => ['-v', volume])
  const { code, stderr } = await kata.call([
    'run',
    '-d',
    '--name',
    name,
    ...flags,
    ...more,
    '--',
    'sleep',
    '600',
  ])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return (await kata.inspect(name)).sandbox as Live
}

function compile(name: string, source: string): string {
  const program = `${directory}/${name}`
  const path = resolve(import.meta.dir, source)
  const { exitCode, stderr } = Bun.spawnSync([
    'gcc',
    '-O1',
    '-Wall',
    '-Werror',
    '-static',
    '-o',
    program,
    path,
  ])
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
  return program
}

/** Performs the acts in the place of the process that serves `sandbox`. */
function asDaemon({ virtiofsdPids }: Live, acts: readonly string[]): Results {
  const worker = virtiofsdPids[1]!
  return inPlaceOf(
    worker,
    argumentFilter(),
    [entryOf(worker, '-confine'), entryOf(worker, '-attacker')],
    acts,
  )
}

/** The same in the place of the one that serves its volumes, where the programs lie in the volume. */
function asVolumesDaemon({ virtiofsdPids }: Live, acts: readonly string[]): Results {
  const worker = virtiofsdPids[3]!
  const volume = entryOf(worker, '-volume')
  return inPlaceOf(worker, setIdFilter(), [`${volume}/confine`, `${volume}/attacker`], acts)
}

/** The path in a daemon's root. */
function entryOf(worker: number, name: string): string {
  return `/${readdirSync(`/proc/${worker}/root`).find((file) => file.endsWith(name))}`
}

function inPlaceOf(
  worker: number,
  filter: Buffer,
  programs: readonly string[],
  acts: readonly string[],
): Results {
  writeFileSync(`${directory}/filter`, filter)
  const namespaces = ['--user', '--mount', '--pid', '--net', '--ipc', '--uts', '--root', '--wd']
  return runActs(
    [
      ...['setpriv', '--no-new-privs', '--seccomp-filter', `${directory}/filter`, '--'],
      ...['nsenter', '--target', `${worker}`, ...namespaces, '--'],
      ...programs,
    ],
    acts,
  )
}

beforeAll(async () => {
  directory = ownDirectory('/var/lib/kt-share-attack-')
  chmodSync(directory, 0o755)
  const attacker = compile('attacker', 'attack/attacker.c')
  const confine = compile('confine', 'virtiofsd/confine.c')
  const probe = compile('probe', 'virtiofsd/probe.c')
  for (const name of ['volume', 'strict', 'guarded']) mkdirSync(`${directory}/${name}`)
  const listed = `${directory}/listed.toml`
  writeFileSync(listed, hypervisorTable(`virtio_fs_suid_volumes = ["${directory}/volume"]\n`))
  own = await start(
    'own',
    [
      `${attacker}:/attacker:ro`,
      `${confine}:/confine:ro`,
      `${probe}:/probe:ro`,
      `${directory}/volume:/volume`,
    ],
    ['--config', listed],
  )
  for (const program of ['attacker', 'confine'])
    copyFileSync(`${directory}/${program}`, `${directory}/guarded/${program}`)
  for (const name of ['volume', 'guarded']) copyFileSync(probe, `${directory}/${name}/program`)
  guarded = await start('guarded', [`${probe}:/probe:ro`, `${directory}/guarded:/volume`])
  expect(Bun.spawnSync(['mknod', `${directory}/volume/zero`, 'c', '1', '5']).exitCode).toBe(0)
  const nosuid = `${directory}/nosuid.toml`
  writeFileSync(nosuid, hypervisorTable('virtio_fs_nosuid = true\n'))
  await start('strict', [`${probe}:/probe:ro`, `${directory}/strict:/volume`], ['--config', nosuid])
  other = await start('other', [])
  const tcp = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const abstract = `kata-ts-share-attack-${process.pid}`
  servers.push(tcp, Bun.listen({ unix: `\0${abstract}`, socket: { data() {} } }))
  const volume = readdirSync(`/proc/${own.virtiofsdPids[1]}/root`).find((name) => name.endsWith('-volume'))
  words = {
    otherShare: `${other.stateDir}/share`,
    otherLedger: `${other.stateDir}/ledger.jsonl`,
    otherDaemon: other.virtiofsdPids[1]!,
    ledger: `${own.stateDir}/ledger.jsonl`,
    vmm: own.vmmPid,
    vmmDir: own.privateDir,
    shim: own.shimPid,
    vmmAddress: readFileSync(`/proc/${own.vmmPid}/maps`, 'utf8').split('-')[0]!,
    volume: `/${volume}`,
    hostVolume: `${directory}/volume`,
    port: tcp.port,
    abstract,
  }
  inPlace = asDaemon(own, [...new Set(shareAttacks.map(([, act]) => fill(act)))])
  root = runAsRoot(attacker, [...new Set(shareAttacks.map(([, act, , , rootAct]) => fill(rootAct ?? act)))])
}, slow(60_000))
afterAll(async () => {
  for (const server of servers) server.stop(true)
  for (const name of ['own', 'guarded', 'other', 'strict']) await kata.call(['rm', '-f', name])
  await kata.close()
  rmSync(directory, { recursive: true })
}, slow(60_000))

describe('a virtiofsd under foreign control fails to', () => {
  for (const [goal, act, expected, byRoot, rootAct] of shareAttacks) {
    test(goal, () => {
      const control = root.get(fill(rootAct ?? act))
      expect({ inPlace: inPlace.get(fill(act)), root: control }).toEqual({ inPlace: expected, root: byRoot })
    })
  }
})

test('control: in its place, what a share is for succeeds', () => {
  const acts = ['list /', `create ${words.volume}/file`, `mkdir ${words.volume}/directory`, 'setuid 1000']
  const results = asDaemon(own, acts)
  expect(acts.map((act) => results.get(act))).toEqual(acts.map(() => 'ok'))
})

describe('a virtiofsd of volumes under foreign control fails to', () => {
  for (const [goal, act, expected] of setIdAttacks) {
    test(goal, () => {
      const [attack, control] = [guarded, own].map(({ virtiofsdPids }, index) =>
        act.replace('{volume}', entryOf(virtiofsdPids[index === 0 ? 3 : 1]!, '-volume')),
      )
      expect({
        inPlace: asVolumesDaemon(guarded, [attack!]).get(attack!),
        first: asDaemon(own, [control!]).get(control!),
      }).toEqual({ inPlace: expected, first: 'ok' })
    })
  }

  test('get more capabilities than for files, and none for set-id bits', () => {
    const sets = guarded.virtiofsdPids.map(
      (pid) => /^CapEff:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1],
    )
    expect(sets).toEqual([none, '00000000880000db', none, '00000000080000cb'])
  })
})

test('control: in the place of the volumes’ daemon, what a share is for succeeds', () => {
  const volume = entryOf(guarded.virtiofsdPids[3]!, '-volume')
  const acts = [
    'list /',
    `create ${volume}/file`,
    `mkdir ${volume}/directory`,
    `chmod ${volume}/program 0755`,
  ]
  const results = asVolumesDaemon(guarded, acts)
  expect(acts.map((act) => results.get(act))).toEqual(acts.map(() => 'ok'))
})

test('no id that it can take is of its VMM, of another sandbox or in the accounts of the host', () => {
  const accounts = ['passwd', 'group'].flatMap((file) =>
    readFileSync(`/etc/${file}`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => Number(line.split(':')[2])),
  )
  for (const file of ['uid_map', 'gid_map']) {
    const lines = readFileSync(`/proc/${own.virtiofsdPids[1]}/${file}`, 'utf8').trim().split('\n')
    const extents = lines.map((line) => line.trim().split(/ +/).map(Number) as [number, number, number])
    const canTake = (id: number) =>
      extents.some(([, outside, count]) => id >= outside && id < outside + count)
    expect([...accounts, own.uid, other.uid, other.virtiofsdUid].filter(canTake)).toEqual([])
    expect(canTake(own.virtiofsdUid)).toBe(true)
  }
})

test('what it makes belongs to root on disk, and to nobody of the host while it runs', () => {
  const acts = [`symlink ${words.volume}/link`]
  expect(asDaemon(own, acts).get(acts[0]!)).toBe('ok')
  expect(own.virtiofsdUid).toBeGreaterThanOrEqual(0x70000000)
})

describe('root of a container fails to', () => {
  beforeAll(() => {
    writeFileSync(`${directory}/secret`, 'secret')
    expect(Bun.spawnSync(['mknod', `${directory}/volume/node`, 'b', '8', '0']).exitCode).toBe(0)
  })
  const inShell = (command: string) => ['sh', '-c', command.replaceAll('{directory}', directory)]
  const said = ({ stdout, stderr }: { stdout: Buffer | string; stderr: Buffer | string }) =>
    `${stdout}${stderr}`.trim().split(': ').at(-1)!

  for (const [goal, command, inGuest, control] of guestShareAttacks) {
    test(`${goal}, through a volume`, async () => {
      const tried = said(await kata.call(['exec', 'own', '--', ...inShell(command)]))
      const byRoot = said(Bun.spawnSync(inShell(control)))
      expect({ inGuest: tried, root: byRoot }).toEqual({ inGuest, root: 'ok' })
    })
  }
})

describe('what root of a container leaves for a user of the host', () => {
  const inGuest = async (name: string, command: string, place: string) =>
    (await kata.call(['exec', name, '--', 'sh', '-c', command.replaceAll('{place}', place)])).stderr
  /** What the program gets that user, in the words of the kernel or of the shell. */
  const byUser = (path: string) => {
    const user = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'sh', '-c']
    const { stdout, stderr } = Bun.spawnSync([...user, `exec ${path} caps`])
    return `${stdout}${stderr}`.trim().split(/:\s+/).at(-1)!
  }

  for (const { what, inGuest: command, name, refused } of leftPrograms) {
    test(`${what}: in a volume as it comes it has none`, async () => {
      expect(await inGuest('guarded', command, '/volume')).toContain(refused)
      expect(byUser(`${directory}/guarded/${name}`)).toBe(none)
    })

    test(`${what}: in the root file system of the same pod it is made`, async () => {
      expect(await inGuest('guarded', command, '/tmp')).toBe('')
    })

    // The positive control: the operator has listed this volume in virtio_fs_suid_volumes.
    test(`${what}: in a volume it has its rights, as with Docker`, async () => {
      expect(await inGuest('own', command, '/volume')).toBe('')
      const rights = byUser(`${directory}/volume/${name}`)
      expect(rights).toMatch(/^[0-9a-f]{16}$/)
      expect(rights).not.toBe(none)
    })

    test(`${what}: in a volume with virtio_fs_nosuid it has none`, async () => {
      expect(await inGuest('strict', command, '/volume')).toContain(refused)
      expect(byUser(`${directory}/strict/${name}`)).toBe(none)
    })

    test(`${what}: in its own root file system nobody gets there`, async () => {
      expect(await inGuest('own', command, '/tmp')).toBe('')
      // The way there is closed by what kata-ts makes, not by the test's own directory.
      chmodSync(kata.stateDir, 0o755)
      const [path] = Bun.spawnSync(['find', kata.stateDir, '-path', `*/upper/tmp/${name}`])
        .stdout.toString()
        .split('\n')
      expect(path).toStartWith(kata.stateDir)
      expect(byUser(path!)).toBe(inOwnLayer)
      expect(Bun.spawnSync([path!, 'caps']).exitCode).toBe(0)
    })
  }

  test('in a volume as it comes every other mode is given', async () => {
    const script =
      'umask 0; mkdir -m 1777 {place}/d && touch {place}/d/f {place}/d/g && chmod 751 {place}/d/f'
    expect(await inGuest('guarded', script, '/volume')).toBe('')
    const modes = ['d', 'd/f', 'd/g'].map((name) => lstatSync(`${directory}/guarded/${name}`).mode & 0o7777)
    expect(modes).toEqual([0o1777, 0o751, 0o666])
  })

  test('in a volume as it comes a new directory has the group and the bit of the one it is in, as fsGroup wants it', async () => {
    const path = `${directory}/guarded/grouped`
    mkdirSync(path)
    chownSync(path, 0, 4321)
    chmodSync(path, 0o2777)
    const script = 'mkdir -p {place}/grouped/a/b && touch {place}/grouped/a/b/f'
    expect(
      (
        await kata.call([
          'exec',
          '-u',
          '1000:1000',
          'guarded',
          '--',
          'sh',
          '-c',
          script.replaceAll('{place}', '/volume'),
        ])
      ).stderr,
    ).toBe('')
    const facts = ['a', 'a/b', 'a/b/f'].map((name) => {
      const { gid, mode } = lstatSync(`${path}/${name}`)
      return [gid, mode & 0o6000]
    })
    expect(facts).toEqual([
      [4321, 0o2000],
      [4321, 0o2000],
      [4321, 0],
    ])
  })

  test('in a volume as it comes a program that has the bit already keeps it only as long as nobody touches it', async () => {
    const path = `${directory}/guarded/of-the-host`
    const mode = () => lstatSync(path).mode & 0o7777
    const make = () => {
      writeFileSync(path, 'old')
      chmodSync(path, 0o4755)
    }
    make()
    expect(await inGuest('guarded', 'chmod g+w {place}/of-the-host', '/volume')).toContain('not permitted')
    expect(mode()).toBe(0o4755)
    expect(await inGuest('guarded', 'chmod u-s,g+w {place}/of-the-host', '/volume')).toBe('')
    expect(mode()).toBe(0o775)
    make()
    expect(await inGuest('guarded', 'echo new > {place}/of-the-host', '/volume')).toBe('')
    expect([readFileSync(path, 'utf8'), mode()]).toEqual(['new\n', 0o755])
  })

  test('a program with the bit does not get from the root file system into a volume, by no name and no move', async () => {
    const script = 'cp /probe /tmp/moved && chmod 4755 /tmp/moved'
    expect(await inGuest('guarded', script, '')).toBe('')
    expect(await inGuest('guarded', 'ln /tmp/moved {place}/linked', '/volume')).toMatch(/cross-device link/i)
    await inGuest('guarded', 'mv /tmp/moved {place}/moved', '/volume')
    const find = ['find', `${directory}/guarded`, '-name', 'moved', '-perm', '/6000']
    expect(Bun.spawnSync(find).stdout.toString()).toBe('')
  })

  test('with virtio_fs_nosuid every other mode is given', async () => {
    expect(
      await inGuest(
        'strict',
        'mkdir -m 1777 {place}/d && touch {place}/d/f && chmod 751 {place}/d/f',
        '/volume',
      ),
    ).toBe('')
    expect(lstatSync(`${directory}/strict/d/f`).mode & 0o7777).toBe(0o751)
  })

  test('with virtio_fs_nosuid a program that has the bit already, as those of an image, works in the container', async () => {
    copyFileSync(`${directory}/probe`, `${directory}/strict/there-before`)
    const rights = async () => {
      const args = ['exec', '--user', '1000', 'strict', '--', '/volume/there-before', 'caps']
      return (await kata.call(args)).stdout.trim().split(/:\s+/).at(-1)!
    }
    chmodSync(`${directory}/strict/there-before`, 0o755)
    expect(await rights()).toBe(none)
    chmodSync(`${directory}/strict/there-before`, 0o4755)
    expect(await rights()).toMatch(/^(?!0+$)[0-9a-f]{16}$/)
  })

  test('with virtio_fs_nosuid a set-user-id program of the host loses the bit when it is written to', async () => {
    const path = `${directory}/strict/of-the-host`
    writeFileSync(path, 'old')
    chmodSync(path, 0o4755)
    expect(await inGuest('strict', 'echo new > {place}/of-the-host', '/volume')).toBe('')
    expect(readFileSync(path, 'utf8')).toBe('new\n')
    expect(lstatSync(path).mode & 0o7777).toBe(0o755)
  })
})
