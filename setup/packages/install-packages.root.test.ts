import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentProgress } from '../../src/guest-image/progress.ts'
import { SetupError } from '../setup-error.ts'
import {
  announcement,
  installedFraction,
  installPackages,
  settleRecord,
  sumSizes,
} from './install-packages.ts'
import { readRecord, recordName, writeRecord } from './installed-packages.ts'
import { ScratchDebian } from './scratch-debian.ts'
import { missingPackages } from './system-packages.ts'

/** As Docker's own package and Debian's declare them. */
const docker = [
  { name: 'containerd.io', version: '1.7.27-1', relations: ['Conflicts: containerd, runc'] },
  { name: 'docker-ce', version: '5:28.5.1-1', relations: ['Depends: containerd.io'] },
]
const debian = [
  { name: 'containerd', version: '1.7.24~ds1-6', relations: ['Depends: runc'] },
  { name: 'runc' },
  { name: 'iproute2', relations: ['Depends: libelf1'] },
  { name: 'libelf1' },
]

let directory: string
let host: ScratchDebian
let told: string[]
const record = () => join(directory, 'state', recordName)
const install = (...names: string[]) =>
  installPackages(names, {
    progress: silentProgress,
    tell: (text) => told.push(text),
    record: record(),
    tools: host.tools,
  })
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('with real apt, in a Debian of its own', () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'setup-apt-'))
    host = new ScratchDebian(directory)
    told = []
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('says what it will install, installs it, and writes down what was not there before', async () => {
    host.offer([
      ...debian.filter(({ name }) => name !== 'runc'),
      { name: 'runc', relations: ['Recommends: criu'] },
      { name: 'criu' },
    ])
    // No package lists yet: they are fetched when apt does not know a package.
    await install('runc')
    await install('containerd', 'iproute2')
    const [most, recommended] = [['containerd', 'iproute2', 'libelf1', 'runc'], 'criu']
    expect(await host.installed(...most, recommended)).toEqual(most)
    expect(readRecord(record())).toEqual(['containerd', 'iproute2', 'libelf1', 'runc'])
    expect(told[1]).toBe(
      [
        'Set-up installs 3 Debian packages (1 MB to download, 4 MB on disk) and removes none:',
        '  to run: iproute2',
        '  to test: containerd',
        `  and 1 that these need, listed in ${record()} then`,
        '`npm run uninstall` takes away what it installed, and everything else of kata-ts on this machine.',
        '',
      ].join('\n'),
    )
  })

  test('a package that was there is not ours, even when it is brought up to date', async () => {
    host.offer([{ name: 'libelf1' }])
    await host.apt('update')
    await host.apt('install', 'libelf1')
    host.offer([
      { name: 'iproute2', relations: ['Depends: libelf1 (>= 2)'] },
      { name: 'libelf1', version: '2.0' },
    ])
    await host.apt('update')
    await install('iproute2')
    expect(readRecord(record())).toEqual(['iproute2'])
    expect(told.join('')).toContain('  brought up to date: libelf1\n')
  })

  test.each([
    ['as it is', []],
    ['on hold', ['containerd.io']],
  ])(
    "beside Docker's containerd, %s: an error that names both and the way out; nothing changes",
    async (_, held) => {
      host.offer([...docker, ...debian])
      await host.apt('update')
      await host.apt('install', 'docker-ce')
      if (held.length > 0) await host.mark('hold', ...held)
      const error = await failure(install('containerd', 'iproute2'))
      expect(error).toBeInstanceOf(SetupError)
      const { message, remedy } = error as SetupError
      expect(message).toContain('containerd conflicts with containerd.io')
      expect(message).toContain('set-up removes no package; nothing was changed')
      expect(message).not.toContain('iproute2')
      expect(remedy).toContain('`npm run demo` and `npm run build` need none of these')
      expect(remedy).toContain('(apt-get remove containerd.io')
      expect(await host.installed('docker-ce', 'containerd.io', 'containerd', 'iproute2')).toEqual([
        'containerd.io',
        'docker-ce',
      ])
      expect(existsSync(record())).toBe(false)
      expect(told).toEqual([])
    },
  )

  test("Docker's containerd counts as containerd and as runc", async () => {
    host.offer([...docker, ...debian])
    await host.apt('update')
    const names = ['containerd', 'runc', 'iproute2']
    expect(await missingPackages(names, host.tools)).toEqual(names)
    await host.apt('install', 'containerd.io')
    expect(await missingPackages(names, host.tools)).toEqual(['iproute2'])
    await install('iproute2')
    expect(await missingPackages(names, host.tools)).toEqual([])
  })

  test('a package of another architecture is not taken for the one of the same name', async () => {
    const own = Bun.spawnSync(['dpkg', '--print-architecture']).stdout.toString().trim()
    const entry = (name: string, architecture: string, status: string) =>
      [
        ...[`Package: ${name}`, `Status: ${status}`, `Architecture: ${architecture}`, 'Multi-Arch: same'],
        ...['Maintainer: nobody <nobody@example.org>', 'Version: 1.0', 'Description: test', '', ''],
      ].join('\n')
    const [there, left] = ['install ok installed', 'deinstall ok config-files']
    const status = [
      ...[entry('mine', own, there), entry('mine', 'i386', left), entry('mine', 'x32', left)],
      ...[entry('theirs', 'i386', there), entry('foreign', 'i386', there)],
    ]
    await Bun.write(join(host.root, 'var/lib/dpkg/status'), status.join(''))
    writeRecord(record(), ['mine', 'theirs', 'foreign:i386'])
    await settleRecord(record(), host.tools)
    expect(readRecord(record())).toEqual(['foreign:i386', 'mine'])
    expect(await missingPackages(['mine', 'theirs'], host.tools)).toEqual(['theirs'])
  })

  test('a host that removes what nobody needs any more does not do so for us', async () => {
    host.offer([...debian, { name: 'tool', relations: ['Depends: library'] }, { name: 'library' }])
    await host.apt('update')
    await host.apt('install', 'tool')
    await host.apt('remove', 'tool')
    const [option, value] = ['APT::Get::AutomaticRemove', 'true']
    await Bun.write(join(host.root, 'etc/apt/apt.conf.d/auto'), `${option} "${value}";\n`)
    await install('runc')
    expect(await host.installed('library', 'runc')).toEqual(['library', 'runc'])
  })

  test('a dependency that nobody has is told in the words of apt', async () => {
    host.offer([{ name: 'iproute2', relations: ['Depends: nowhere'] }])
    const error = await failure(install('iproute2'))
    expect(error).toBeInstanceOf(SetupError)
    expect((error as SetupError).message).toContain('iproute2 : Depends: nowhere')
  })

  test('a package that no archive has is named', async () => {
    host.offer([])
    expect(await failure(install('nosuch'))).toMatchObject({
      message: expect.stringContaining('Unable to locate package nosuch'),
    })
  })

  test('what an interrupted installation wrote down and never installed is taken out of the record', async () => {
    host.offer(debian)
    await host.apt('update')
    await host.apt('install', 'runc')
    writeRecord(record(), ['containerd', 'runc'])
    await settleRecord(record(), host.tools)
    expect(readRecord(record())).toEqual(['runc'])
    // One that was unpacked and not configured is still ours.
    const status = join(host.root, 'var/lib/dpkg/status')
    const text = await Bun.file(status).text()
    await Bun.write(status, text.replace('install ok installed', 'install ok unpacked'))
    expect(await host.installed('runc')).toEqual([])
    await settleRecord(record(), host.tools)
    expect(readRecord(record())).toEqual(['runc'])
  })
})

test('the last status line counts; downloading is the first half', () => {
  expect(installedFraction('dlstatus:1:50.0:Retrieving\n')).toBe(0.25)
  expect(installedFraction('dlstatus:7:100:x\npmstatus:gcc:50.0:Unpacking\nSetting up gcc\n')).toBe(0.75)
  expect(installedFraction('Reading package lists...\n')).toBeUndefined()
})

test('sizes as apt-cache tells them, each package once; what is only brought up to date takes no room', () => {
  const stanza = (name: string) =>
    `Package: ${name}\nVersion: 1\nInstalled-Size: 100\nDescription: x\n y\nSize: 2000\n`
  const text = ['gcc', 'libc6', 'gcc'].map(stanza).join('\n')
  expect(sumSizes(text, [{ name: 'gcc', version: '1' }])).toEqual({ download: 4000, disk: 102_400 })
})

test('the announcement stays readable with many packages, and without sizes', () => {
  const names = ['qemu-system-x86', 'gcc', ...Array.from({ length: 60 }, (_, i) => `libsomething${i}`)]
  const plan = { install: names.map((name) => ({ name, version: '1' })), upgrade: [], remove: [] }
  expect(announcement(['qemu-system-x86', 'gcc'], plan, undefined, '/record')).toStartWith(
    [
      'Set-up installs 62 Debian packages and removes none:',
      '  to run: qemu-system-x86',
      '  to build: gcc',
      '  and 60 that these need, listed in /record then',
      '',
    ].join('\n'),
  )
})

test('a damaged record is an error that says what to do', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'setup-record-'))
  const path = join(scratch, recordName)
  for (const text of ['', '{}', '{"packages": ["-o", "x"]}', '[]']) {
    await Bun.write(path, text)
    expect(() => readRecord(path)).toThrow('cannot be used')
  }
  rmSync(scratch, { recursive: true })
})
