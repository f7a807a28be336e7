import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { type ErrorCode, KataError } from '../errors.ts'
import { createLogger, silentLogger } from '../log.ts'
import type { Config } from './config.ts'
import { drivers } from './drivers.ts'
import { readingOf } from './files/search.ts'
import { unsetByEmpty } from './kata/kata-keys.ts'
import { allKeys, keysFor } from './keys.ts'
import { builtInConfig, type LoadOptions, loadConfig, loadConfigText } from './load.ts'

const host = { cpus: 4, memoryMiB: 8192 }
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-ts-config-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(dir, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  return path
}

function collector() {
  const lines: { message: string; fields: Record<string, unknown> }[] = []
  return { lines, log: createLogger({ sink: ({ message, fields }) => lines.push({ message, fields }) }) }
}

const parse = (text: string, log = silentLogger, file = '/c.toml'): Config =>
  loadConfigText(file, new TextEncoder().encode(text), log, host)
const kataFile = '/etc/kata-containers/configuration.toml'

function failure(run: () => unknown): KataError {
  try {
    run()
  } catch (error) {
    if (error instanceof KataError) return error
    throw error
  }
  throw new Error('expected a KataError')
}

const expectCode = (run: () => unknown, code: ErrorCode): KataError => {
  const error = failure(run)
  expect(error.code).toBe(code)
  return error
}

describe('which file', () => {
  const load = (options: Partial<Parameters<typeof loadConfig>[0]>) =>
    loadConfig({ env: {}, log: silentLogger, host, searchPaths: [], ...options })

  test('containerd’s SCHED_CORE asks for core scheduling, whatever the file says', () => {
    const file = write('no-cores.toml', '[hypervisor.clh]\nenable_core_scheduling = false')
    const asked = (options: object) => load(options).hypervisor.enableCoreScheduling
    expect([asked({ file }), asked({ file, env: { SCHED_CORE: '' } }), asked({})]).toEqual([
      false,
      false,
      false,
    ])
    expect([asked({ file, env: { SCHED_CORE: '1' } }), asked({ env: { SCHED_CORE: '1' } })]).toEqual([
      true,
      true,
    ])
  })

  test('the named file wins, then KATA_CONF_FILE, then the search order, then the built-in one', () => {
    const named = write('named.toml', '[hypervisor.qemu]\ndefault_memory = 300')
    const first = write('first.toml', '[hypervisor.qemu]\ndefault_memory = 301')
    const second = write('second.toml', '[hypervisor.qemu]\ndefault_memory = 302')
    const searchPaths = [join(dir, 'absent.toml'), first, second]
    const memory = (config: Config) => config.hypervisor.defaultMemory
    expect(memory(load({ file: named, env: { KATA_CONF_FILE: second }, searchPaths }))).toBe(300)
    expect(memory(load({ env: { KATA_CONF_FILE: second }, searchPaths }))).toBe(302)
    expect(memory(load({ searchPaths }))).toBe(301)
    expect(load({}).source).toBe('built-in')
  })

  test('KATA_CONF_FILE is accepted only when it resolves to an installed file', () => {
    const installed = write('etc/configuration.toml', '')
    const link = join(dir, 'link.toml')
    symlinkSync(installed, link)
    const other = write('other.toml', '')
    expect(load({ env: { KATA_CONF_FILE: link }, searchPaths: [installed] }).source).toBe(installed)
    for (const path of [other, join(dir, 'absent.toml')])
      expectCode(
        () => load({ env: { KATA_CONF_FILE: path }, searchPaths: [installed] }),
        'CONFIG_ENV_REFUSED',
      )
  })

  test('a link that leads nowhere is an error, unless a file before it is there', () => {
    const link = join(dir, 'link.toml')
    symlinkSync(join(dir, 'absent.toml'), link)
    const theirs = write('theirs.toml', '')
    const error = expectCode(() => load({ searchPaths: [link, theirs] }), 'CONFIG_UNREADABLE')
    expect(error.message).toContain(`${link} cannot be read: it is a link that leads nowhere`)
    expect(error.remedy).toContain('or remove it')
    expect(load({ searchPaths: [theirs, link] }).source).toBe(theirs)
    expect(load({ searchPaths: [join(dir, 'no/such.toml'), theirs] }).source).toBe(theirs)
    expect(load({ searchPaths: [join(theirs, 'x.toml'), theirs] }).source).toBe(theirs)
  })

  test('drop-ins of a file that is not there are an error, in our places', () => {
    const main = join(dir, 'ours/configuration.toml')
    const used = write('used.toml', '')
    const find = () => load({ searchPaths: [main, used] }).source
    expect(find()).toBe(used)
    write('ours/config.d', '')
    expect(find()).toBe(used)
    rmSync(join(dir, 'ours/config.d'))
    mkdirSync(join(dir, 'ours/config.d'))
    expect(find()).toBe(used)
    const dropIn = write('ours/config.d/1', '[hypervisor.qemu]\nenable_core_scheduling = true')
    const { message } = expectCode(find, 'CONFIG_DROP_INS_ALONE')
    expect(message).toContain(`${join(dir, 'ours/config.d')} has drop-ins, but there is no ${main}`)
    expect(message).toContain(`which may be a copy of ${used},`)
    for (const others of [[], [write('share/defaults/kata-containers/configuration.toml', '')]])
      expect(
        expectCode(() => load({ searchPaths: [main, ...others] }), 'CONFIG_DROP_INS_ALONE').message,
      ).toContain(`Create ${main}, which may be empty,`)
    rmSync(join(dir, 'share'), { recursive: true })
    expect(load({ file: used }).source).toBe(used)
    writeFileSync(main, '')
    expect(load({ searchPaths: [main, used] })).toMatchObject({ source: main, dropIns: [dropIn] })
    write('share/defaults/kata-containers/config.d/1', '')
    const theirs = join(dir, 'share/defaults/kata-containers/configuration.toml')
    expect(load({ searchPaths: [theirs, used] }).source).toBe(used)
  })

  test('drop-ins beside a link, which nobody reads, are an error in our places', () => {
    const real = write('real/configuration.toml', '')
    const main = join(dir, 'ours/configuration.toml')
    mkdirSync(join(dir, 'ours/config.d'), { recursive: true })
    symlinkSync(real, main)
    const searchPaths = [main]
    expect(load({ searchPaths }).source).toBe(real)
    write('ours/config.d/1', '[hypervisor.qemu]\nenable_core_scheduling = true')
    for (const how of [{}, { file: main }, { env: { KATA_CONF_FILE: main } }]) {
      const { message, remedy } = expectCode(() => load({ searchPaths, ...how }), 'CONFIG_CONFLICT')
      expect(message).toContain(`${join(dir, 'ours/config.d')}: its drop-ins have no effect`)
      expect(remedy).toContain(join(dir, 'real/config.d'))
    }
    expect(load({ file: real, searchPaths }).source).toBe(real)
    rmSync(join(dir, 'ours/config.d'), { recursive: true })
    symlinkSync(join(dir, 'real/config.d'), join(dir, 'ours/config.d'))
    const dropIn = write('real/config.d/1', '')
    expect(load({ searchPaths }).dropIns).toEqual([dropIn])
    const theirs = join(dir, 'share/defaults/kata-containers/configuration.toml')
    write('share/defaults/kata-containers/config.d/1', '')
    symlinkSync(real, theirs)
    expect(load({ searchPaths: [theirs] }).source).toBe(real)
  })

  test('drop-ins beside a link are named in a warning, in Kata’s places and beside a file that somebody names', () => {
    const real = write('real/configuration.toml', '')
    const theirs = join(dir, 'share/defaults/kata-containers/configuration.toml')
    const unread = join(dir, 'share/defaults/kata-containers/config.d')
    write('share/defaults/kata-containers/config.d/1', '')
    symlinkSync(real, theirs)
    const warned = (options: Pick<LoadOptions, 'file' | 'searchPaths'>) => {
      const { lines, log } = collector()
      loadConfig({ env: {}, searchPaths: [], host, log, ...options })
      return lines.map(({ fields }) => fields)
    }
    for (const options of [{ searchPaths: [theirs] }, { file: theirs }])
      expect(warned(options)).toMatchObject([{ unread, read: join(dir, 'real/config.d') }])
    expect(warned({ file: real })).toEqual([])
    rmSync(join(unread, '1'))
    expect(warned({ file: theirs })).toEqual([])
  })

  test('a link to drop-ins that leads nowhere is an error, with and without the main file', () => {
    const main = join(dir, 'ours/configuration.toml')
    mkdirSync(join(dir, 'ours'))
    symlinkSync(join(dir, 'absent'), join(dir, 'ours/config.d'))
    const find = () => load({ searchPaths: [main] })
    expect(expectCode(find, 'CONFIG_UNREADABLE').message).toContain(join(dir, 'ours/config.d'))
    write('ours/configuration.toml', '')
    expect(expectCode(find, 'CONFIG_UNREADABLE').message).toContain('it is a link that leads nowhere')
  })

  test('a named file that does not exist is an error that names it', () => {
    const error = expectCode(() => load({ file: join(dir, 'nope.toml') }), 'CONFIG_NOT_FOUND')
    expect(error.message).toContain('nope.toml')
  })

  test('drop-ins stand beside the resolved file, count in lexical order, and win key by key', () => {
    const real = write(
      'real/configuration.toml',
      '[hypervisor.qemu]\ndefault_memory = 300\nmemory_slots = 3\nenable_annotations = ["a", "b"]\n[agent.kata]\ndial_timeout = 7',
    )
    write('real/config.d/20-b.toml', '[hypervisor.qemu]\ndefault_memory = 320')
    write('real/config.d/10-a', '[hypervisor.qemu]\ndefault_memory = 310\nenable_annotations = ["c"]')
    write('config.d/99.toml', '[hypervisor.qemu]\ndefault_memory = 999')
    const link = join(dir, 'link.toml')
    symlinkSync(real, link)
    const config = load({ file: link })
    expect(config.source).toBe(real)
    expect(config.dropIns).toEqual([join(dir, 'real/config.d/10-a'), join(dir, 'real/config.d/20-b.toml')])
    expect(config.hypervisor).toMatchObject({
      defaultMemory: 320,
      memorySlots: 3,
      enableAnnotations: ['c'],
    })
    expect(config.agent.dialTimeout).toBe(7)
  })

  test('a directory among the drop-ins and a drop-in with a mistake are errors that name them', () => {
    const main = write('configuration.toml', '')
    write('config.d/50/x', '')
    expect(expectCode(() => load({ file: main }), 'CONFIG_UNREADABLE').message).toContain('config.d/50')
    rmSync(join(dir, 'config.d/50'), { recursive: true })
    write('config.d/60.toml', '\n[runtime]\nenable_debug = 1')
    expect(expectCode(() => load({ file: main }), 'CONFIG_TYPE').message).toContain('config.d/60.toml:3')
  })

  test('what everybody may write is not read with a file', () => {
    const main = write('configuration.toml', '')
    const dropIn = write('config.d/60.toml', '[runtime]\nenable_debug = true')
    const directory = join(dir, 'config.d')
    for (const path of [directory, dropIn]) chmodSync(path, 0o775)
    expect(load({ file: main }).runtime.enableDebug).toBe(true)
    for (const path of [directory, dropIn]) {
      chmodSync(path, 0o777)
      const { message } = expectCode(() => load({ file: main }), 'CONFIG_UNSAFE')
      expect(message).toContain(
        `${path} would be read together with configuration file ${main}, and everybody may write to it`,
      )
      chmodSync(path, 0o755)
    }
  })

  test('nor is a main file that everybody may write', () => {
    const main = write('configuration.toml', '[runtime]\nenable_debug = true')
    chmodSync(main, 0o664)
    expect(load({ file: main }).runtime.enableDebug).toBe(true)
    chmodSync(main, 0o646)
    for (const options of [{ file: main }, { searchPaths: [main] }])
      expect(expectCode(() => load(options), 'CONFIG_WRITABLE').message).toContain(`chmod o-w ${main}`)
  })

  test('a FIFO in place of the file is refused at once instead of waited for', () => {
    const fifo = join(dir, 'fifo')
    Bun.spawnSync(['/usr/bin/mkfifo', fifo])
    // In a child with a deadline: a blocking open would hang this process, its timers included.
    const script = `
      import { loadConfig } from '${join(import.meta.dir, 'load.ts')}'
      import { silentLogger } from '${join(import.meta.dir, '../log.ts')}'
      try { loadConfig({ file: '${fifo}', env: {}, log: silentLogger }) } catch (error) { console.log(error.code) }`
    const child = Bun.spawnSync([process.execPath, '-e', script], { timeout: 15_000, killSignal: 'SIGKILL' })
    expect(child.stdout.toString().trim()).toBe('CONFIG_UNREADABLE')
  })

  test('what cannot be read, or has no end, is refused by name', () => {
    const read = (file: string) => expectCode(() => load({ file }), 'CONFIG_UNREADABLE').message
    expect(read('/proc/self/mem')).toContain('mem cannot be read: EIO')
    expect(read('/proc/kallsyms')).toContain('kallsyms cannot be read: it has more than 1048576 bytes')
    expect(read(write('big.toml', '#'.repeat(1024 * 1024 + 1)))).toContain('it has 1048577 bytes')
    expect(load({ file: write('full.toml', '#'.repeat(1024 * 1024)) }).dropIns).toEqual([])
    expect(read(dir)).toContain('it is a directory')
  })

  test('a mistake is reported even when a later file overrides that key', () => {
    const main = write('configuration.toml', '[hypervisor.qemu]\nrootless = "yes"')
    write('config.d/1', '[hypervisor.qemu]\nrootless = true')
    expectCode(() => load({ file: main }), 'CONFIG_TYPE')
  })
})

describe('values', () => {
  /** A file wants KVM; a person at a terminal without one is given what the host has. */
  const ours = { ...builtInConfig(host).hypervisor, accelerator: 'kvm' } as const

  test('without any file the accelerator is what the host has, in a file it is KVM', () => {
    expect(builtInConfig(host).hypervisor.accelerator).toBe('auto')
    for (const text of ['', '[hypervisor.qemu]', '[runtime]\nenable_debug = true'])
      for (const file of ['/c.toml', kataFile])
        expect(parse(text, silentLogger, file).hypervisor.accelerator).toBe('kvm')
  })

  test('a key that a file of ours does not name has the value that we ship', () => {
    for (const driver of drivers) {
      const { hypervisor, runtime } = parse(`[hypervisor.${driver}]\n[runtime]\nenable_debug = true`)
      const shipped = keysFor(driver).filter(({ table }) => table === 'hypervisor')
      // Resolved by the size of the host.
      for (const { key, field, shipped: value } of shipped)
        if (key !== 'default_maxvcpus')
          expect([key, hypervisor[field as keyof typeof hypervisor] as unknown]).toEqual([key, value])
      expect([hypervisor.rootless, runtime.disableGuestSeccomp]).toEqual([true, false])
    }
    expect(parse('').hypervisor).toEqual(ours)
  })

  test("absent from a file at Kata's places it has Kata's: no rootless, and seccomp in the guest", () => {
    for (const driver of drivers) {
      // Firecracker is never root.
      const rootless = driver === 'firecracker'
      const config = parse(`[hypervisor.${driver}]`, silentLogger, kataFile)
      expect(config.hypervisor).toMatchObject({ driver, rootless })
      expect(config.runtime.disableGuestSeccomp).toBe(false)
      const asked = parse(`[hypervisor.${driver}]\nrootless = true`, silentLogger, kataFile)
      expect(asked.hypervisor.rootless).toBe(true)
    }
    expect(parse('', silentLogger, kataFile).hypervisor).toEqual(ours)
  })

  describe('what Kata reads as no value is as a missing key', () => {
    const emptied = drivers.flatMap((driver) =>
      unsetByEmpty.map((name) => [driver, keysFor(driver).find(({ key }) => key === name)!] as const),
    )
    test.each(emptied)('%s: $key = ""', (driver, { key, table }) => {
      const rest = table === 'hypervisor' ? '' : `[${table}]\n`
      for (const file of ['/c.toml', kataFile]) {
        const { lines, log } = collector()
        const without = parse(`[hypervisor.${driver}]`, silentLogger, file)
        expect({ ...parse(`[hypervisor.${driver}]\n${rest}${key} = ""`, log, file) }).toEqual(without)
        expect(lines).toEqual([])
      }
    })

    test('where an empty text would switch something off it is a value, and refused', () => {
      expectCode(() => parse('[hypervisor.firecracker]\njailer_path = ""'), 'CONFIG_VALUE')
    })

    test('it undoes what an earlier file says', () => {
      const main = write('configuration.toml', '[hypervisor.qemu]\nshared_fs = "none"')
      write('config.d/1', '[hypervisor.qemu]\nshared_fs = ""')
      expect(loadConfig({ file: main, env: {}, log: silentLogger, host }).hypervisor.sharedFs).toBe(
        'virtio-fs',
      )
    })

    test("0 in a file of Kata's alone", () => {
      const none = '[hypervisor.qemu]\nmemory_slots = 0\npcie_root_port = 0'
      expect(parse(none).hypervisor).toMatchObject({ memorySlots: 0, pcieRootPort: 0 })
      expect(parse(none, silentLogger, kataFile).hypervisor).toMatchObject({
        memorySlots: 10,
        pcieRootPort: 4,
      })
    })
  })

  test('whose values count is decided by the place that was named, and drop-ins follow', () => {
    const kata = write('opt/kata/share/defaults/kata-containers/configuration.toml', '[hypervisor.qemu]')
    write('opt/kata/share/defaults/kata-containers/config.d/1', '[hypervisor.qemu]\nmemory_slots = 2')
    const link = join(dir, 'ours.toml')
    symlinkSync(kata, link)
    const load = (file: string) => loadConfig({ file, env: {}, log: silentLogger, host })
    expect(load(kata)).toMatchObject({ source: kata, hypervisor: { rootless: false, memorySlots: 2 } })
    expect(load(link)).toMatchObject({ source: kata, hypervisor: { rootless: true, memorySlots: 2 } })
    const found = { log: silentLogger, host, searchPaths: [kata] }
    expect(loadConfig({ env: {}, ...found }).hypervisor.rootless).toBe(false)
    expect(loadConfig({ env: { KATA_CONF_FILE: link }, ...found }).hypervisor.rootless).toBe(true)
    const ours = ['/etc/kata-ts/configuration.toml', '/root/kata-containers/c.toml', 'kata-containers.toml']
    const theirs = [kataFile, '/usr/share/defaults/kata-containers/runtime-rs/configuration.toml']
    expect(ours.map(readingOf)).toEqual(ours.map(() => 'shipped'))
    expect(theirs.map(readingOf)).toEqual(theirs.map(() => 'kata'))
  })

  test('the table of keys fills every field of Config', () => {
    for (const driver of drivers) {
      const config = builtInConfig(host, driver)
      expect(Object.keys(config.hypervisor).sort()).toEqual(
        [
          'driver',
          'assetHashes',
          ...allKeys()
            .filter(({ table }) => table === 'hypervisor')
            .map(({ field }) => field),
        ].sort(),
      )
      for (const section of [config.hypervisor, config.agent, config.runtime, config.factory])
        expect(Object.values(section)).not.toContain(undefined)
    }
  })

  test('every value of the table, absent or shipped, is one that its own type allows', () => {
    for (const { key, type, absent, shipped } of drivers.flatMap(keysFor))
      for (const value of [absent, shipped]) {
        const toml = typeof value === 'number' ? BigInt(value) : value
        expect([key, type.fromToml(key === 'kernel_params' ? '' : toml)]).toEqual([key, value])
      }
  })

  test('the result is frozen to the last list', () => {
    const { hypervisor } = parse('[hypervisor.qemu]\nenable_annotations = ["path"]')
    expect(Object.isFrozen(hypervisor)).toBe(true)
    expect(Object.isFrozen(hypervisor.enableAnnotations)).toBe(true)
  })

  test('CPU numbers follow the host', () => {
    const vcpus = (text: string) => parse(`[hypervisor.qemu]\n${text}`).hypervisor
    expect(vcpus('default_vcpus = 0').defaultVcpus).toBe(1)
    expect(vcpus('default_vcpus = -1').defaultVcpus).toBe(4)
    expect(vcpus('default_vcpus = 64').defaultVcpus).toBe(4)
    expect(vcpus('default_vcpus = 1.5').defaultVcpus).toBe(1.5)
    expect(vcpus('default_maxvcpus = 64').defaultMaxVcpus).toBe(4)
  })

  test('words that stand for other values', () => {
    const config = parse(
      '[hypervisor.qemu]\nvirtio_fs_cache = "none"\nseccompsandbox = ""\nkernel_params = " a=1  b "\n[agent.kata]\ndial_timeout = 0',
    )
    expect(config.hypervisor.virtioFsCache).toBe('never')
    expect(config.hypervisor.seccompSandbox).toStartWith('on,obsolete=deny')
    expect(config.hypervisor.kernelParams).toEqual(['a=1', 'b'])
    expect(config.agent.dialTimeout).toBe(30)
  })

  const refusedValues: [string, ErrorCode, string][] = [
    ['[hypervisor.qemu]\n# c\nrootless = "true"', 'CONFIG_TYPE', 'true or false'],
    ['[hypervisor.qemu]\n\ndefault_memory = 64', 'CONFIG_VALUE', '128 to 16777216 MiB'],
    ['[hypervisor.qemu]\n\ndefault_memory = 256.0', 'CONFIG_TYPE', 'a whole number'],
    ['[hypervisor.qemu]\n\ndefault_memory = 9223372036854775807', 'CONFIG_VALUE', '128 to'],
    ['[hypervisor.qemu]\n\npcie_root_port = 17', 'CONFIG_VALUE', '0 to 16'],
    ['[hypervisor.qemu]\n\ndefault_vcpus = nan', 'CONFIG_VALUE', 'value NaN. Allowed: -1 to'],
    ['[hypervisor.qemu]\n\naccelerator = "xen"', 'CONFIG_VALUE', '"auto", "kvm", "tcg"'],
    ['[hypervisor.qemu]\n\nshared_fs = "virtio-9p"', 'CONFIG_VALUE', '"virtio-fs", "none"'],
    ['[hypervisor.qemu]\n\npath = "qemu"', 'CONFIG_VALUE', 'an absolute path'],
    ['[hypervisor.qemu]\n\nkernel = "/boot/../etc/shadow"', 'CONFIG_VALUE', 'without . or .. parts'],
    ['[hypervisor.qemu]\n\nkernel = "/boot/a\\nb"', 'CONFIG_VALUE', 'an absolute path'],
    ['[hypervisor.qemu]\n\ncpu_features = "a b"', 'CONFIG_VALUE', 'separated by commas'],
    ['[hypervisor.qemu]\n\nseccompsandbox = "off"', 'CONFIG_VALUE', 'begins with "on"'],
    ['[hypervisor.qemu]\n\nkernel_params = "a\\u0000b"', 'CONFIG_VALUE', 'printable ASCII'],
    ['[hypervisor.qemu]\n\nvirtio_fs_extra_args = ["--sandbox=none"]', 'CONFIG_VALUE', 'widen its rights'],
    ['[hypervisor.qemu]\n\nvirtio_fs_extra_args = "--xattr"', 'CONFIG_TYPE', 'a list of strings'],
    ['[hypervisor.qemu]\n\nenable_annotations = ["("]', 'CONFIG_VALUE', 'regular expressions'],
    ['[hypervisor.qemu]\n\nenable_annotations = ["a)|(?:b"]', 'CONFIG_VALUE', 'regular expressions'],
    ['[hypervisor.qemu]\n\nrootless_uid_base = 70000', 'CONFIG_VALUE', 'a multiple of 65536'],
    ['[hypervisor.qemu]\n\nvirtio_fs_queue_size = 100', 'CONFIG_VALUE', 'a power of two'],
    ['[hypervisor.qemu]\n\nrootless = 2024-01-01', 'CONFIG_TYPE', 'a date'],
    ['[hypervisor.qemu]\n\nrootless = {}', 'CONFIG_TYPE', 'a table'],
    ['[hypervisor]\n\nrootless = true', 'CONFIG_TABLE', '[hypervisor.qemu]'],
    ['[runtime]\n[hypervisor]\n[hypervisor.stratovirt]', 'CONFIG_TABLE', '[hypervisor.firecracker]'],
    ['[hypervisor.clh]\n\n[hypervisor.qemu]', 'CONFIG_CONFLICT', 'beside [hypervisor.clh] (/c.toml:1)'],
    ['[hypervisor.firecracker]\n\nshared_fs = "virtio-fs"', 'CONFIG_VMM_CANNOT', 'vhost-user'],
    ['[hypervisor.clh]\n\ndisk_rate_limiter_bw_max_rate = 7', 'CONFIG_VALUE', 'at least 8'],
    ['[hypervisor.qemu]\n\ndisk_rate_limiter_ops_one_time_burst = 1', 'CONFIG_VMM_CANNOT', 'every pause'],
    ['[hypervisor.qemu]\n\ndisk_rate_limiter_bw_one_time_burst = 1', 'CONFIG_VMM_CANNOT', 'every pause'],
    ['[hypervisor.firecracker]\n\nrootless = false', 'CONFIG_VMM_CANNOT', 'capabilities'],
    ['[hypervisor.firecracker]\n[factory]\nenable_template = true', 'CONFIG_VMM_CANNOT', 'no templates'],
    ['[hypervisor.clh]\n[factory]\nenable_template = true', 'CONFIG_VMM_CANNOT', '[hypervisor.qemu]'],
    [
      '[hypervisor.clh]\n[hypervisor.clh.factory]\nenable_template = true',
      'CONFIG_VMM_CANNOT',
      'no templates',
    ],
    ['[hypervisor.qemu]\n[factory]\ntemplate_path = "templates"', 'CONFIG_VALUE', 'an absolute path'],
    ['[hypervisor.qemu]\n[factory]\nvm_cache_number = 65', 'CONFIG_VALUE', '0 to 64'],
    ['[hypervisor.qemu]\n[factory]\nvm_cache_number = 1', 'CONFIG_CONFLICT', 'without enable_template'],
    ['[hypervisor.clh]\n[factory]\nvm_cache_number = 1', 'CONFIG_VMM_CANNOT', '[hypervisor.qemu]'],
    ['[hypervisor.clh]\n\nkvm_access = "descriptor"', 'CONFIG_VMM_CANNOT', 'opens /dev/kvm itself'],
    ['[hypervisor.firecracker]\n\nkvm_access = "descriptor"', 'CONFIG_VMM_CANNOT', '[hypervisor.qemu]'],
    ['[hypervisor.firecracker]\n\nhot_plug_vfio = "root-port"', 'CONFIG_VMM_CANNOT', 'VFIO'],
    [
      '[hypervisor.firecracker]\nenable_hugepages = true\nreclaim_guest_freed_memory = true',
      'CONFIG_VMM_CANNOT',
      'nothing back of huge pages',
    ],
    ['[hypervisor.clh]\n\nblock_device_driver = "virtio-scsi"', 'CONFIG_VALUE', '"virtio-blk"'],
    [
      '[hypervisor.qemu]\nhot_plug_vfio="root-port"\ncold_plug_vfio="root-port"',
      'CONFIG_CONFLICT',
      'both set',
    ],
    [
      '[hypervisor.firecracker]\n[runtime]\nstatic_sandbox_resource_mgmt = false',
      'CONFIG_VMM_CANNOT',
      'hot-plug CPUs',
    ],
    ['[hypervisor.qemu]\n\n[hypervisor.xen]', 'CONFIG_TABLE', '[hypervisor.qemu]'],
    ['\n\nruntime = 3', 'CONFIG_TABLE', '[runtime]'],
  ]
  test.each(refusedValues)('%j is refused at its line', (text, code, allowed) => {
    const error = expectCode(() => parse(text), code)
    expect(error.message).toContain('/c.toml:3')
    expect(error.message).toContain(allowed)
  })

  const conflicts: [string, string][] = [
    ['image = "/i"\ninitrd = "/j"', '/c.toml:2'],
    ['default_vcpus = 3\ndefault_maxvcpus = 2', '/c.toml:3'],
    ['default_vcpus = 64\ndefault_maxvcpus = 2', 'default_vcpus (64, here 4) is more than'],
    ['default_memory = 512\ndefault_maxmemory = 256', '/c.toml:3'],
    ['rootless_uid_base = 2147287040\nrootless_uid_blocks = 2', 'rootless_uid_blocks to at most 1'],
  ]
  test.each(conflicts)('%j is a conflict', (text, part) => {
    expect(expectCode(() => parse(`[hypervisor.qemu]\n${text}`), 'CONFIG_CONFLICT').message).toContain(part)
  })

  test('a burst that is free of no limit is a conflict', () => {
    const text = '[hypervisor.firecracker]\ndisk_rate_limiter_ops_max_rate = 1'
    expect(parse(`${text}\ndisk_rate_limiter_ops_one_time_burst = 2`).hypervisor).toMatchObject({
      diskRateLimiterOpsMaxRate: 1,
      diskRateLimiterOpsOneTimeBurst: 2,
    })
    const alone = `${text}\ndisk_rate_limiter_bw_one_time_burst = 8`
    const { message } = expectCode(() => parse(alone), 'CONFIG_CONFLICT')
    expect(message).toContain('/c.toml:3: disk_rate_limiter_bw_one_time_burst')
    expect(message).toContain('Set disk_rate_limiter_bw_max_rate')
  })

  test('bad TOML names file, line and column', () => {
    const error = expectCode(() => parse('[runtime]\nenable_debug = tru'), 'CONFIG_SYNTAX')
    expect(error.fields).toMatchObject({ file: '/c.toml', line: 2 })
    expect(error.message).toMatch(/^\[CONFIG_SYNTAX\] \/c\.toml:2:\d+: not valid TOML: /)
  })
})

test('bytes that are not UTF-8 are refused, even in a comment', () => {
  const bytes = new Uint8Array([0x23, 0xff, 0x0a])
  expectCode(() => loadConfigText('/c.toml', bytes, silentLogger, host), 'CONFIG_UNREADABLE')
})

describe('which VMM', () => {
  test('the table chooses it and its defaults; runtime-rs has a second name for one', () => {
    const programs = ['qemu', 'clh', 'cloud-hypervisor', 'firecracker'].map((table) => {
      const { driver, path, blockDeviceDriver, sharedFs, accelerator } = parse(
        `[hypervisor.${table}]`,
      ).hypervisor
      return [driver, path, blockDeviceDriver, sharedFs, accelerator]
    })
    expect(programs).toEqual([
      ['qemu', '/usr/bin/qemu-system-x86_64', 'virtio-scsi', 'virtio-fs', 'kvm'],
      ['clh', '/usr/bin/cloud-hypervisor', 'virtio-blk', 'virtio-fs', 'kvm'],
      ['clh', '/usr/bin/cloud-hypervisor', 'virtio-blk', 'virtio-fs', 'kvm'],
      ['firecracker', '/usr/bin/firecracker', 'virtio-mmio', 'none', 'kvm'],
    ])
    expect(parse('[hypervisor.firecracker]').runtime.staticSandboxResourceMgmt).toBe(true)
    expect(parse('[hypervisor.firecracker]').hypervisor.rootless).toBe(true)
    expect(parse('[hypervisor.qemu]').runtime.staticSandboxResourceMgmt).toBe(false)
  })

  test('a drop-in cannot bring a second VMM', () => {
    const main = write('configuration.toml', '[hypervisor.qemu]\nrootless = true')
    write('config.d/10', '[hypervisor.clh]')
    const error = expectCode(
      () => loadConfig({ file: main, env: {}, log: silentLogger, host }),
      'CONFIG_CONFLICT',
    )
    expect(error.message).toContain('config.d/10:1')
    expect(error.message).toContain('configuration.toml:1')
  })

  test('a key that means nothing to the VMM is a warning, and one that says "no" to what it cannot do is neither', () => {
    const { lines, log } = collector()
    parse('[hypervisor.clh]\nmachine_type = "q35"\ncpu_features = "pmu=off"\nmemory_slots = 10', log)
    expect(lines.map(({ message }) => message)).toEqual([
      'configuration key hypervisor.clh.cpu_features has no meaning for Cloud Hypervisor',
    ])
    const same = parse('[hypervisor.firecracker]\nshared_fs = "none"\ncold_plug_vfio = "no-port"')
    expect(same.hypervisor.sharedFs).toBe('none')
    for (const limit of ['bw', 'ops']) {
      const burst = `[hypervisor.qemu]\ndisk_rate_limiter_${limit}_one_time_burst =`
      expect(parse(`${burst} 0`).hypervisor).toEqual(parse('[hypervisor.qemu]').hypervisor)
      expectCode(() => parse(`${burst} 1`), 'CONFIG_VMM_CANNOT')
    }
  })
})

describe('the spellings of runtime-rs', () => {
  test('are read like those of the Go runtime', () => {
    const config = parse(
      '[hypervisor.qemu]\nseccomp_sandbox = "on"\ndefault_max_vcpus = 3\nblock_device_driver = "virtio-blk-pci"\n[agent.kata]\ncreate_container_timeout = 70',
    )
    expect(config.hypervisor).toMatchObject({
      seccompSandbox: 'on',
      defaultMaxVcpus: 3,
      blockDeviceDriver: 'virtio-blk',
    })
    expect(config.runtime.createContainerTimeout).toBe(70)
  })

  test.each([
    ['[hypervisor.qemu]\nseccompsandbox = ""\nseccomp_sandbox = "on"', '/c.toml:3', '/c.toml:2'],
    ['[hypervisor.qemu]\ndefault_maxvcpus = 1\ndefault_max_vcpus = 2', '/c.toml:3', '/c.toml:2'],
    [
      '[hypervisor.qemu.factory]\nenable_template = true\n[factory]\nenable_template = false',
      '/c.toml:4',
      '/c.toml:2',
    ],
    [
      '[agent.kata]\ncreate_container_timeout = 7\n[runtime]\ncreate_container_timeout = 8',
      '/c.toml:4',
      '/c.toml:2',
    ],
    ['[hypervisor.clh]\nrootless = true\n[hypervisor.cloud-hypervisor]', '/c.toml:3', '/c.toml:1'],
  ])('%j: one file, two answers', (text, where, other) => {
    const { message } = expectCode(() => parse(text), 'CONFIG_CONFLICT')
    expect(message).toStartWith(`[CONFIG_CONFLICT] ${where}: `)
    expect(message).toContain(`(${other})`)
  })

  test('the same answer twice is one, and a drop-in may use the other spelling', () => {
    const twice = '[hypervisor.qemu]\ndefault_maxvcpus = 2\ndefault_max_vcpus = 2'
    expect(parse(twice).hypervisor.defaultMaxVcpus).toBe(2)
    const main = write('configuration.toml', '[hypervisor.clh]\nrootless = false\ndefault_maxvcpus = 2')
    write('config.d/1', '[hypervisor.cloud-hypervisor]\nrootless = true\ndefault_max_vcpus = 3')
    const { hypervisor } = loadConfig({ file: main, env: {}, log: silentLogger, host })
    expect(hypervisor).toMatchObject({ driver: 'clh', rootless: true, defaultMaxVcpus: 3 })
  })

  test('templates have a table of their own, or stand in that of the VMM', () => {
    for (const heading of ['factory', 'hypervisor.qemu.factory'])
      expect(
        parse(`[${heading}]\nenable_template = true\ntemplate_path = "/t"\nvm_cache_number = 2`).factory,
      ).toEqual({ enableTemplate: true, templatePath: '/t', vmCacheNumber: 2 })
    const none = {
      enableTemplate: false,
      templatePath: '/var/cache/kata-ts/templates',
      vmCacheNumber: 0,
    }
    expect(parse('[runtime]').factory).toEqual(none)
    const { lines, log } = collector()
    expect(parse('[hypervisor.clh]\n[factory]\nenable_template = false', log).factory).toEqual(none)
    expect(lines).toEqual([])
  })

  test('what a file says about its own parts is silent when it is so', () => {
    const { lines, log } = collector()
    const parts = '[runtime]\nname = "virt_container"\nagent_name = "kata"\nhypervisor_name = '
    parse(`[hypervisor.clh]\n${parts}"cloud-hypervisor"`, log)
    expect(lines).toEqual([])
    expectCode(() => parse(`[hypervisor.clh]\n${parts}"qemu"`), 'CONFIG_CONFLICT')
    parse('[runtime]\nname = "other"', log)
    expect(lines[0]?.message).toContain('runtime.name has no effect')
  })

  test('a key in other units names the one to use', () => {
    const { lines, log } = collector()
    parse('[agent.kata]\ndial_timeout_ms = 10', log)
    expect(lines).toEqual([])
    parse('[agent.kata]\ndial_timeout_ms = 20', log)
    expect(lines[0]?.message).toContain('instead: dial_timeout, in seconds')
  })
})

describe('keys without effect', () => {
  const warnings = (text: string) => {
    const { lines, log } = collector()
    parse(text, log)
    return lines
  }

  test('a mistyped key is one warning with its place and the nearest name', () => {
    const [warning, ...more] = warnings('[hypervisor.qemu]\ndefault_memroy = 300')
    expect(more).toEqual([])
    expect(warning?.message).toContain('did you mean default_memory?')
    expect(warning?.fields).toMatchObject({ file: '/c.toml', line: 2 })
  })

  test('a name far from all others gets no suggestion, a key of another table its table', () => {
    expect(warnings('[runtime]\nzzzzzzzzzz = 1')[0]?.message).not.toContain('did you mean')
    expect(warnings('[runtime]\ndefault_memory = 300')[0]?.message).toContain(
      'default_memory in [hypervisor.qemu]',
    )
    expect(warnings('[runtim]\nenable_debug = true')[0]?.message).toContain('did you mean runtime?')
  })

  test('what Kata knows and kata-ts does not support is named once', () => {
    const messages = warnings('[hypervisor.qemu]\nenable_iommu = true\n[runtime]\nuse_passfd_io = true').map(
      ({ message }) => message,
    )
    expect(messages).toHaveLength(2)
    expect(messages.join()).toContain('hypervisor.qemu.enable_iommu has no effect')
    expect(messages.join()).toContain('runtime.use_passfd_io has no effect')
  })

  test('of a key of Kata that main file and drop-in have, the last value is judged', () => {
    const { lines, log } = collector()
    const main = write(
      'configuration.toml',
      '[hypervisor.qemu]\nconfidential_guest = true\nenable_iommu = false',
    )
    write('config.d/1', '[hypervisor.qemu]\nconfidential_guest = false\nenable_iommu = true')
    loadConfig({ file: main, env: {}, log, host })
    expect(lines).toEqual([
      {
        message: 'configuration key hypervisor.qemu.enable_iommu has no effect: guests have no virtual IOMMU',
        fields: { file: join(dir, 'config.d/1'), line: 3 },
      },
    ])
  })

  test('inner tables of Kata are known, and what is mistyped in them is named', () => {
    const said = (text: string) => warnings(text).map(({ message }) => message)
    expect(said('[hypervisor.qemu.factory]\nenable_templat = false')).toEqual([
      'unknown configuration key "hypervisor.qemu.factory.enable_templat" has no effect; did you mean enable_template?',
    ])
    expect(said('[agent.kata.mem_agent]\nmem_agent_enabel = false')[0]).toContain('mean mem_agent_enable?')
    for (const text of ['[agent.kata]\nmem_agent = 1', 'factory = 1', '[hypervisor.qemu]\nfactory = 1'])
      expectCode(() => parse(text), 'CONFIG_TABLE')
  })

  test('of thousands of unknown keys the first are named and the others counted, and all are looked at', () => {
    const unknown = (count: number) =>
      `[hypervisor.qemu]\n${Array.from({ length: count }, (_, at) => `strange_${at} = ${at}\n`).join('')}`
    const said = warnings(unknown(3000))
    expect(said).toHaveLength(101)
    expect(said[99]).toEqual({
      message: 'unknown configuration key "hypervisor.qemu.strange_99" has no effect',
      fields: { file: '/c.toml', line: 101 },
    })
    expect(said[100]).toEqual({
      message: '2900 more unknown configuration keys of /c.toml have no effect',
      fields: { file: '/c.toml' },
    })
    const { message } = expectCode(() => parse(`${unknown(1000)}rootles = true`), 'CONFIG_WALL_MISSPELLED')
    expect(message).toContain('/c.toml:1002')
  })

  test('where two files have too many unknown keys, both say so', () => {
    const { lines, log } = collector()
    const unknown = (name: string) =>
      `[runtime]\n${Array.from({ length: 150 }, (_, at) => `${name}_${at} = 1\n`).join('')}`
    const main = write('configuration.toml', unknown('strange'))
    write('config.d/1', unknown('odd'))
    loadConfig({ file: main, env: {}, log, host })
    const counted = lines.filter(({ message }) => message.startsWith('50 more'))
    expect(counted.map(({ fields }) => fields)).toEqual([{ file: main }, { file: join(dir, 'config.d/1') }])
  })

  test('the same unknown key in main file and drop-in is one warning', () => {
    const { lines, log } = collector()
    const main = write('configuration.toml', '[runtime]\nnope_at_all = 1')
    write('config.d/1', '[runtime]\nnope_at_all = 2')
    loadConfig({ file: main, env: {}, log, host })
    expect(lines).toHaveLength(1)
  })
})

describe('any bytes give a Config or a KataError', () => {
  const survives = (bytes: Uint8Array) => {
    try {
      expect(drivers).toContain(loadConfigText('/c', bytes, silentLogger, host).hypervisor.driver)
    } catch (error) {
      expect(error).toBeInstanceOf(KataError)
    }
  }

  test('random bytes', () => fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives)))

  test('TOML-like text with known keys and odd values', () => {
    const value = fc.oneof(
      fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text)),
      fc.constantFrom(
        'nan',
        '-inf',
        '1e400',
        '0x7fffffffffffffff',
        '99999999999999999999',
        '1979-05-27',
        '[[1],{}]',
        '{a.b=1}',
        '"""\n[runtime]\n"""',
        "'''x'''",
        '[ "/*" ]',
        'true',
        '[]',
        '"\\u0000"',
      ),
      fc.integer().map(String),
      fc.double().map(String),
      fc.string({ maxLength: 8 }),
    )
    const name = fc.constantFrom(
      ...allKeys().map(({ key }) => key),
      '__proto__',
      'constructor',
      'toString',
      '"a.b"',
      'a.b',
    )
    const heading = fc.constantFrom(
      '[hypervisor.qemu]',
      '[agent.kata]',
      '[runtime]',
      '[factory]',
      '[hypervisor.clh]',
      '[hypervisor.firecracker]',
      '[hypervisor.__proto__]',
      '[__proto__]',
      '[[runtime]]',
      '[hypervisor."q x"]',
      '',
    )
    const line = fc.oneof(
      fc.tuple(name, value).map(([key, text]) => `${key} = ${text}`),
      heading,
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) =>
        survives(new TextEncoder().encode(lines.join('\n'))),
      ),
      { numRuns: 1000 },
    )
  })

  test('deep nesting', () => {
    survives(new TextEncoder().encode(`a = ${'['.repeat(50000)}`))
    survives(new TextEncoder().encode(`a = ${'{a='.repeat(50000)}`))
    survives(new TextEncoder().encode(`[${'a.'.repeat(50000)}b]`))
  })
})
