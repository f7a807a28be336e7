/** In a root directory of its own, with real apt and dpkg; the machine's own files and packages are not touched. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { silentProgress } from '../../src/guest-image/progress.ts'
import { bindMount, unmount } from '../../src/linux/mounts/mount.ts'
import { installPackages } from '../packages/install-packages.ts'
import { readRecord, recordName } from '../packages/installed-packages.ts'
import { ScratchDebian } from '../packages/scratch-debian.ts'
import { root as repository } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { linesWith } from './mentions.ts'
import { uninstall } from './uninstall.ts'

// apt and dpkg take seconds for each step where others use the processors, too.
setDefaultTimeout(120_000)

let directory: string
let host: ScratchDebian
let said: string
let released: number
let live: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uninstall-'))
  host = new ScratchDebian(directory)
  said = ''
  released = 0
  live = []
})
afterEach(() => rmSync(directory, { recursive: true }))

const at = (path: string) => join(host.root, path)
const record = () => at(`/var/lib/kata-ts/${recordName}`)

function run(
  options: { dryRun?: boolean; keepPackages?: boolean; volumes?: boolean } = {},
): Promise<boolean> {
  said = ''
  return uninstall(
    {
      root: host.root,
      tools: host.tools,
      sandboxes: {
        live: async () => live,
        release: async () => {
          released++
          return 'nothing to collect\n'
        },
      },
      print: (text) => {
        said += text
      },
    },
    { dryRun: false, keepPackages: false, volumes: false, ...options },
  )
}

function put(path: string, text = ''): void {
  mkdirSync(dirname(at(path)), { recursive: true })
  writeFileSync(at(path), text)
}

/** Puts a file of packaging/ where the documents say. */
function ship(shipped: string, path: string): void {
  mkdirSync(dirname(at(path)), { recursive: true })
  cpSync(join(repository, 'packaging', shipped), at(path))
}

function setUp(...names: string[]): Promise<void> {
  return installPackages(names, {
    progress: silentProgress,
    tell() {},
    record: record(),
    tools: host.tools,
  })
}

/** As the pages under docs/how-to say. */
function installAll(): void {
  put('/usr/local/bin/kata-ts')
  symlinkSync('kata-ts', at('/usr/local/bin/containerd-shim-kata-ts-v2'))
  ship('configuration.toml', '/etc/kata-ts/configuration.toml')
  ship('configuration-clh.toml', '/etc/kata-ts/configuration-clh.toml')
  ship('systemd/99-kata-ts-kvm.rules', '/etc/udev/rules.d/99-kata-ts-kvm.rules')
  ship('systemd/kata-ts.sysusers.conf', '/etc/sysusers.d/kata-ts.conf')
  ship('systemd/kata-ts.tmpfiles.conf', '/etc/tmpfiles.d/kata-ts.conf')
  put('/usr/lib/sysusers.d/kata-ts.conf', 'of an earlier version')
  put('/etc/bash_completion.d/kata-ts', 'as the help of `completion` says')
  ship('cni/10-kata-ts.conflist', '/etc/cni/net.d/10-kata-ts.conflist')
  put('/run/kata-ts/uids/1')
  put('/var/cache/kata-ts/images/one/initrd', 'x')
  put('/var/lib/kata-ts/layers/one/etc/passwd', 'x')
  put('/var/lib/cni/networks/kata-ts/10.88.7.2', 'x')
}

/** To another disk, as somebody does whose disk is full. */
function moveStateDir(): void {
  mkdirSync(at('/srv'))
  renameSync(at('/var/lib/kata-ts'), at('/srv/kata-ts'))
  symlinkSync(at('/srv/kata-ts'), at('/var/lib/kata-ts'))
}

/** Every file of the scratch root but those of apt and dpkg themselves. */
function files(): string[] {
  return readdirSync(host.root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(host.root.length))
    .filter((path) => !/^\/(etc\/apt|var\/(lib|cache)\/(apt|dpkg)|var\/log)\//.test(path))
    .sort()
}

describe('files and directories', () => {
  test('volumes by name stay until they are named, and that is no failure', async () => {
    const file = '/var/lib/kata-ts/volumes/default/data/_data/precious'
    put(file)
    put('/var/lib/kata-ts/layers/one/etc/passwd', 'x')
    expect(await run({ dryRun: true })).toBe(true)
    expect(said).toContain('would keep: /var/lib/kata-ts/volumes (volumes: default/data): add --volumes')
    expect(await run()).toBe(true)
    expect(files()).toEqual([file])
    expect(said).toContain('kept: /var/lib/kata-ts/volumes (volumes: default/data)')
    expect(said).toContain('all the rest is gone')
    expect(await run({ volumes: true })).toBe(true)
    expect(files()).toEqual([])
  })

  test('all that the documents tell to install goes, what others have stays', async () => {
    put('/usr/local/bin/other')
    put('/etc/cni/net.d/20-other.conflist')
    put('/etc/containerd/config.toml', 'version = 2\n')
    put('/etc/docker/daemon.json', '{}')
    installAll()
    expect(await run()).toBe(true)
    expect(files()).toEqual([
      '/etc/cni/net.d/20-other.conflist',
      '/etc/containerd/config.toml',
      '/etc/docker/daemon.json',
      '/usr/local/bin/other',
    ])
    for (const path of ['/etc/kata-ts', '/run/kata-ts', '/var/cache/kata-ts', '/var/lib/kata-ts'])
      expect(existsSync(at(path))).toBe(false)
    expect(released).toBe(1)
    expect(said).toContain('all of it is gone\n')
  })

  test('no file that a page under docs/how-to tells to install is forgotten', async () => {
    const pages = [...new Bun.Glob('docs/how-to/*.md').scanSync(repository)]
    const text = (await Promise.all(pages.map((page) => Bun.file(join(repository, page)).text()))).join('')
    const commands = [...text.matchAll(/^(?:install|ln) -.* \/\S+$/gm)].map(([command]) => command)
    expect(commands.length).toBeGreaterThan(8)
    for (const command of commands) {
      const target = command.slice(command.lastIndexOf(' ') + 1)
      mkdirSync(target.endsWith('/') ? at(target) : dirname(at(target)), { recursive: true })
      // A checkout that was not built has none. What is in it does not matter: it goes by its name.
      const any = command.replace('build/kata-ts', 'package.json')
      const argv = ['sh', '-ec', any.replace(target, at(target))]
      expect(Bun.spawnSync(argv, { cwd: repository }).exitCode).toBe(0)
    }
    expect(await run()).toBe(true)
    expect(files()).toEqual([])
  })

  test('a unit that was enabled goes with the link that enabled it', async () => {
    const links = ['multi-user.target.wants/kata-ts-boot.service', 'sockets.target.wants/kata-ts.socket']
    for (const link of links) {
      const unit = link.slice(link.indexOf('/') + 1)
      ship(`systemd/${unit}`, `/etc/systemd/system/${unit}`)
      mkdirSync(dirname(at(`/etc/systemd/system/${link}`)), { recursive: true })
      symlinkSync(`/etc/systemd/system/${unit}`, at(`/etc/systemd/system/${link}`))
    }
    put('/etc/systemd/system/sockets.target.wants/other.socket')
    expect(await run()).toBe(true)
    expect(files()).toEqual(['/etc/systemd/system/sockets.target.wants/other.socket'])
  })

  test('--dry-run says the same and does nothing', async () => {
    installAll()
    put('/etc/kata-ts/configuration.toml', 'mine')
    const before = files()
    expect(await run({ dryRun: true })).toBe(true)
    expect(files()).toEqual(before)
    expect(released).toBe(0)
    expect(said).toContain('would remove:\n')
    expect(said).toContain('  /var/cache/kata-ts (guest images and machine templates)\n')
    expect(said).toContain('would leave: /etc/kata-ts/configuration.toml: ')
  })

  test('where nothing is, it says so', async () => {
    expect(await run()).toBe(true)
    expect(said).toStartWith('nothing of kata-ts is installed on this machine\n')
    expect(released).toBe(0)
  })

  test('what a person changed stays, is named, and counts as left', async () => {
    installAll()
    put('/etc/kata-ts/configuration.toml', 'mine')
    put('/etc/kata-ts/configuration.d/10-mine.toml', 'mine')
    put('/etc/udev/rules.d/99-kata-ts-kvm.rules', 'mine')
    expect(await run()).toBe(false)
    const changed = [
      '/etc/kata-ts/configuration.d/10-mine.toml',
      '/etc/kata-ts/configuration.toml',
      '/etc/udev/rules.d/99-kata-ts-kvm.rules',
    ]
    expect(files()).toEqual(changed)
    for (const path of changed) expect(said).toContain(`left: ${path}: it is not as we ship it`)
    // The second time only they are left to tell about.
    expect(await run()).toBe(false)
    expect(said).not.toContain('removes:')
  })

  test('a file we ship counts as unchanged under the name of another one', async () => {
    ship('configuration-fc.toml', '/etc/kata-ts/configuration.toml')
    expect(await run()).toBe(true)
    expect(existsSync(at('/etc/kata-ts'))).toBe(false)
  })

  test('configuration of containerd and Docker is not edited; the lines that name kata-ts are told', async () => {
    const text = 'version = 2\n[a.kata-ts]\nx = "kata-ts"\n\n[b]\n# kata-ts\n'
    put('/etc/containerd/config.toml', text)
    put('/etc/containerd/conf.d/kata.toml', 'kata-ts')
    put('/etc/docker/daemon.json', '{"runtimes": {"kata-ts": {}}, "debug": true}')
    expect(await run()).toBe(false)
    expect(await Bun.file(at('/etc/containerd/config.toml')).text()).toBe(text)
    expect(said).toContain('left: /etc/containerd/config.toml: it names kata-ts in line 2 to 3, 6: ')
    expect(said).toContain('left: /etc/containerd/conf.d/kata.toml: it names kata-ts in line 1: ')
    expect(said).toContain('left: /etc/docker/daemon.json: ')
  })

  test('where containerd reads drop-ins, only files that it would read are looked into', async () => {
    installAll()
    put('/etc/containerd/conf.d/old/kata.toml', 'kata-ts')
    symlinkSync('/no/such', at('/etc/containerd/conf.d/gone.toml'))
    put('/etc/crio/crio.conf.d/10-mine.conf', '[crio.runtime.runtimes.kata-ts]')
    expect(await run()).toBe(false)
    expect(said.match(/^left: .*/gm)).toEqual([
      expect.stringMatching(/^left: \/etc\/crio\/crio.conf.d\/10-mine.conf: it names kata-ts in line 1: /),
    ])
  })

  test('a directory of ours that is a link to another disk is emptied, and stays', async () => {
    installAll()
    moveStateDir()
    expect(await run()).toBe(true)
    expect(said).toContain('all of it is gone\n')
    expect(readdirSync(at('/srv/kata-ts'))).toEqual([])
    expect(files()).toEqual(['/var/lib/kata-ts'])
    expect(await run()).toBe(true)
    expect(said).toStartWith('nothing of kata-ts is installed on this machine\n')
  })

  test('the bridge of the pods stays while something is on it, as a pod of another runtime', async () => {
    mkdirSync(at('/sys/class/net/kata-ts0/brif/veth1'), { recursive: true })
    expect(await run()).toBe(false)
    expect(said).toContain('left: the bridge kata-ts0: veth1 is on it')
    expect(said).not.toContain('removes:')
  })

  test('what is mounted below a directory of ours is not reached', async () => {
    put('/home/precious', 'x')
    put('/run/kata-ts/share/one/file')
    bindMount(at('/home'), at('/run/kata-ts/share/one'))
    try {
      expect(await run()).toBe(false)
      expect(said).toContain(`${at('/run/kata-ts/share/one')} is mounted: unmount it first`)
      expect(existsSync(at('/home/precious'))).toBe(true)
    } finally {
      unmount(at('/run/kata-ts/share/one'))
    }
  })

  test('while a sandbox is there nothing is done', async () => {
    installAll()
    const before = files()
    live = ['default/web']
    const error = await run().then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(SetupError)
    expect((error as SetupError).message).toContain('default/web')
    expect(files()).toEqual(before)
    expect(released).toBe(0)
  })
})

describe('packages', () => {
  const tools = [
    { name: 'gcc', relations: ['Depends: binutils'] },
    { name: 'binutils' },
    { name: 'runc' },
    { name: 'virtiofsd' },
    {
      name: 'containerd',
      relations: ['Depends: runc'],
      files: { 'etc/containerd/config.toml': 'version = 2\n' },
    },
    { name: 'build-essential', relations: ['Depends: gcc'] },
    { name: 'either', relations: ['Depends: virtiofsd | runc'] },
  ]
  const all = tools.map(({ name }) => name)
  beforeEach(async () => {
    host.offer(tools)
    await host.apt('update')
  })

  test('those that set-up installed go, with their configuration; others stay', async () => {
    await host.apt('install', 'virtiofsd')
    await setUp('gcc', 'containerd', 'virtiofsd')
    expect(readRecord(record())).toEqual(['binutils', 'containerd', 'gcc', 'runc'])
    expect(await run()).toBe(true)
    expect(said).toContain('  4 Debian packages: binutils containerd gcc runc\n')
    expect(await host.installed(...all)).toEqual(['virtiofsd'])
    expect(files()).toEqual(['/usr/share/virtiofsd/here'])
  })

  test('they go where the state directory, with the record of them, is a link', async () => {
    await setUp('gcc')
    moveStateDir()
    expect(await run()).toBe(true)
    expect(await host.installed(...all)).toEqual([])
    expect(files()).toEqual(['/var/lib/kata-ts'])
  })

  test('one that a package of others needs stays, with what it needs itself, and is named', async () => {
    await setUp('gcc', 'virtiofsd')
    await host.apt('install', 'build-essential')
    expect(await run()).toBe(false)
    expect(await host.installed(...all)).toEqual(['binutils', 'build-essential', 'gcc'])
    expect(said).toContain('left: package gcc: needed by build-essential\n')
    expect(said).toContain('left: package binutils: needed by build-essential, gcc\n')
    // Once nothing needs them any more, they go.
    expect(readRecord(record())).toEqual(['binutils', 'gcc'])
    await host.apt('remove', 'build-essential')
    expect(await run()).toBe(true)
    expect(await host.installed(...all)).toEqual([])
    expect(existsSync(at('/var/lib/kata-ts'))).toBe(false)
  })

  test('one that Debian counts as essential stays, with what it needs, and apt is not asked to force it', async () => {
    const essential = { name: 'e2fsprogs', relations: ['Essential: yes', 'Pre-Depends: logsave'] }
    host.offer([...tools, essential, { name: 'logsave' }])
    await host.apt('update')
    await setUp('e2fsprogs', 'gcc')
    expect(await run()).toBe(false)
    expect(await host.installed(...all, 'e2fsprogs', 'logsave')).toEqual(['e2fsprogs', 'logsave'])
    expect(said).toContain('left: package e2fsprogs: Debian counts it as essential\n')
    expect(said).toContain('left: package logsave: needed by e2fsprogs\n')
  })

  test('two of which either would do for a package of others', async () => {
    await setUp('runc', 'virtiofsd')
    await host.apt('install', 'either')
    expect(await run()).toBe(false)
    expect(await host.installed(...all)).toContain('either')
    expect(said).toContain('needed by either')
  })

  test('a dependency that somebody asked apt for since stays', async () => {
    await setUp('gcc')
    await host.apt('install', 'binutils')
    expect(await run()).toBe(false)
    expect(await host.installed(...all)).toEqual(['binutils'])
    expect(said).toContain('left: package binutils: apt was asked for it by name')
  })

  test('configuration that was changed outlives its package', async () => {
    await setUp('containerd')
    put('/etc/containerd/config.toml', 'version = 2\n# mine\n')
    expect(await run()).toBe(false)
    expect(await host.installed(...all)).toEqual([])
    expect(files()).toEqual(['/etc/containerd/config.toml'])
    expect(said).toContain(
      'left: /etc/containerd/config.toml: configuration of containerd that was changed here\n',
    )
  })

  test('--keep-packages leaves them, and the record of them', async () => {
    installAll()
    await setUp('gcc')
    expect(await run({ keepPackages: true })).toBe(true)
    expect(await host.installed(...all)).toEqual(['binutils', 'gcc'])
    expect(readdirSync(at('/var/lib/kata-ts'))).toEqual([recordName])
    expect(await run()).toBe(true)
    expect(await host.installed(...all)).toEqual([])
  })
})

test('line numbers', () => {
  expect(linesWith('a\nx\nx\nx\nb\nx', 'x')).toBe('2 to 4, 6')
  expect(linesWith('', 'x')).toBe('')
})

test('files of the Debian package are left to dpkg', async () => {
  host.offer([{ name: 'kata-ts', files: { 'usr/lib/sysusers.d/kata-ts.conf': 'g kvm - -\n' } }])
  await host.apt('update')
  await host.apt('install', 'kata-ts')
  expect(await run().then(() => undefined, String)).toContain('the Debian package kata-ts is installed')
  expect({ said, released, kept: existsSync(at('/usr/lib/sysusers.d/kata-ts.conf')) }).toEqual({
    said: '',
    released: 0,
    kept: true,
  })
})

test('the bundle is not removed by half', async () => {
  put('/opt/kata-ts/bin/kata-ts')
  mkdirSync(at('/usr/local/bin'), { recursive: true })
  symlinkSync('/opt/kata-ts/bin/kata-ts', at('/usr/local/bin/kata-ts'))
  const before = files()
  expect(await run().then(() => undefined, String)).toContain('the bundle is installed in /opt/kata-ts')
  expect({ said, released, files: files() }).toEqual({ said: '', released: 0, files: before })
  rmSync(at('/opt/kata-ts'), { recursive: true })
  expect(await run()).toBe(true)
  expect(files()).toEqual([])
})
