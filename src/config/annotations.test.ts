import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type ErrorCode, KataError } from '../errors.ts'
import { createLogger, silentLogger } from '../log.ts'
import { type Annotations, applyAnnotations } from './annotations.ts'
import type { Config } from './config.ts'
import { loadConfigText } from './load.ts'

const size = { cpus: 4, memoryMiB: 8192 }
const host = {
  size,
  exists: (path: string) => path.startsWith('/usr/bin/qemu'),
  isOpenToAll: (path: string) => path.startsWith('/boot/'),
}
const key = (name: string) => `io.katacontainers.config.hypervisor.${name}`
const short = 'io.katacontainers.hypervisor.rootless'
const runtimeKey = (name: string) => `io.katacontainers.config.runtime.${name}`
const agentKey = (name: string) => `io.katacontainers.config.agent.${name}`

const configFor = (driver: string, text: string): Config =>
  loadConfigText('/c.toml', new TextEncoder().encode(`[hypervisor.${driver}]\n${text}`), silentLogger, size)
const config = (text: string): Config => configFor('qemu', text)

const apply = (text: string, annotations: Annotations) =>
  applyAnnotations(config(text), annotations, silentLogger, host).hypervisor

function expectCode(run: () => unknown, code: ErrorCode, part = ''): void {
  let thrown: unknown
  try {
    run()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(KataError)
  expect((thrown as KataError).code).toBe(code)
  expect((thrown as KataError).message).toContain(part)
}

test.each([
  ['memory_slots', 3, 'memorySlots'],
  ['pcie_root_port', 2, 'pcieRootPort'],
] as const)('a %s of 0 leaves what the file says', (name, inFile, field) => {
  const file = `${name} = ${inFile}\nenable_annotations = ["${name}"]`
  expect(apply(file, { [key(name)]: '0' })[field]).toBe(inFile)
  expect(apply(file, { [key(name)]: '5' })[field]).toBe(5)
})

describe('enable_annotations', () => {
  test('an annotation that is not enabled fails with its name, implemented or not', () => {
    for (const name of ['default_memory', 'firmware'])
      expectCode(() => apply('', { [key(name)]: '1024' }), 'ANNOTATION_NOT_ENABLED', key(name))
  })

  test('the remedy names a file whose change has an effect', () => {
    const main = config('')
    const remedyFor = (made: Config) => {
      try {
        applyAnnotations(made, { [key('default_memory')]: '513' }, silentLogger, host)
      } catch (error) {
        return (error as KataError).remedy
      }
    }
    expect(remedyFor(main)).toStartWith('Add "default_memory" to enable_annotations in /c.toml, or remove')
    expect(remedyFor({ ...main, dropIns: ['/config.d/1', '/config.d/2'] })).toContain(
      'in /c.toml (or in /config.d/1, /config.d/2, if it is there), or remove',
    )
    expect(remedyFor({ ...main, source: 'built-in' })).toContain(
      'in /etc/kata-ts/configuration.toml (there is none yet), or remove',
    )
  })

  test('one that asks for what is so anyway needs no permission', () => {
    const text =
      'default_memory = 512\nkernel_params = "a=1"\npath = "/usr/bin/qemu"\n[runtime]\nsandbox_cgroup_only = true'
    const same = {
      [key('default_memory')]: '512',
      [key('default_vcpus')]: '1',
      [key('kernel_params')]: 'a=1',
      [key('path')]: '/usr/bin/qemu',
      [key('hot_plug_vfio')]: 'no-port',
      [key('enable_iommu')]: 'false',
      [key('firmware')]: '',
      [runtimeKey('sandbox_cgroup_only')]: 'true',
      [runtimeKey('vfio_mode')]: 'guest-kernel',
      [runtimeKey('shared_mounts')]: '[]',
      [agentKey('enable_tracing')]: '0',
    }
    const silent = createLogger({ sink: ({ message }) => expect(message).toBe('') })
    expect(applyAnnotations(config(text), same, silent, host)).toEqual(config(text))
    for (const [name, value] of [
      ['default_memory', '513'],
      ['kernel_params', 'a=2'],
      ['kernel_params', 'b'],
      ['path', '/usr/bin/qemu2'],
      ['enable_iommu', 'true'],
    ] as const)
      expectCode(() => apply(text, { [key(name)]: value }), 'ANNOTATION_NOT_ENABLED', key(name))
  })

  test.each([
    ['2048', 2048],
    ['2048MiB', 2048],
    ['2 Gi', 2048],
    ['1.5gib', 1536],
    ['2000MB', 1907],
    ['1g', 953],
    ['2147483648b', 2048],
  ])(
    'default_memory: "%s" is %i MiB: a number alone is in MiB, and a unit is that of runtime-rs',
    (text, mib) => {
      const enabled = 'enable_annotations = ["default_memory"]'
      expect(apply(enabled, { [key('default_memory')]: text }).defaultMemory).toBe(mib)
    },
  )

  test.each(['2147483648', '64MiB', '1e9999Gi', '-2Gi', '2.Gi', '2Xi', 'Gi', `${'9'.repeat(400)}Gi`])(
    'default_memory: "%s" is refused',
    (text) => {
      const enabled = 'enable_annotations = ["default_memory"]'
      const asked = { [key('default_memory')]: text }
      expect(() => apply(enabled, asked)).toThrow(/CONFIG_(TYPE|VALUE)/)
    },
  )

  test('memory beyond the host is no wish of the pod when the file says so', () => {
    const text = 'default_memory = 9000'
    expect(apply(text, { [key('default_memory')]: '9000' }).defaultMemory).toBe(9000)
  })

  test('set-id bits in volumes are no wish of the pod, unless the operator lets it have that', () => {
    const asked = { [key('virtio_fs_suid_volumes')]: '["/"]' }
    expectCode(() => apply('', asked), 'ANNOTATION_NOT_ENABLED', 'virtio_fs_suid_volumes')
    expectCode(() => apply('virtio_fs_suid_volumes = ["/srv"]', asked), 'ANNOTATION_NOT_ENABLED')
    const enabled = 'enable_annotations = ["virtio_fs_suid_volumes"]'
    expect(apply(enabled, asked).virtioFsSuidVolumes).toEqual(['/'])
  })

  test('entries match whole names only', () => {
    const list = 'enable_annotations = ["kernel"]'
    expect(apply(list, { [key('kernel')]: '/boot/k' }).kernel).toBe('/boot/k')
    expectCode(() => apply(list, { [key('kernel_params')]: 'a' }), 'ANNOTATION_NOT_ENABLED')
    expect(apply('enable_annotations = ["kernel.*"]', { [key('kernel_params')]: 'a' }).kernelParams).toEqual([
      'a',
    ])
    expectCode(
      () => apply('enable_annotations = ["a|path"]', { [key('jailer_path')]: '/x' }),
      'ANNOTATION_NOT_ENABLED',
    )
  })

  test('other annotations are none of our business', () => {
    const facts = {
      'io.kubernetes.cri.sandbox-id': 'x',
      'io.katacontainer.config.hypervisor.path': 'x',
      'io.katacontainers.pkg.oci.bundle_path': '/b',
    }
    expect(apply('', facts)).toEqual(config('').hypervisor)
  })

  test('a wish for swap of the guest, or for memory of enclaves, is told to be lost', () => {
    const wish = 'io.katacontainers.container.resource.swap_in_bytes'
    const warned: string[] = []
    const log = createLogger({ sink: ({ message }) => void warned.push(message) })
    expect(applyAnnotations(config(''), { [wish]: '1073741824' }, log, host)).toEqual(config(''))
    expect(warned).toEqual([`annotation ${wish} has no effect: guests have no swap`])
    const enclave = { 'sgx.intel.com/epc': '4Mi' }
    expect(applyAnnotations(config(''), enclave, log, host)).toEqual(config(''))
    expect(warned[1]).toBe(
      'annotation sgx.intel.com/epc has no effect: guests have no memory for enclaves (SGX)',
    )
  })

  const all = 'enable_annotations = [".*"]'
  test.each([
    [key('default_memroy'), `Did you mean ${key('default_memory')}?`],
    [key('default_maxvcpus'), `Did you mean ${key('default_max_vcpus')}?`],
    [key('enable_iomu'), `Did you mean ${key('enable_iommu')}?`],
    [key('sandbox_cgroup_only'), `Did you mean ${runtimeKey('sandbox_cgroup_only')}?`],
    [key('kvm_access'), 'kvm_access is for configuration.toml alone'],
    [key('nonsense'), 'Remove it from the pod'],
    [key('__proto__'), ''],
    ['io.katacontainers.config.foo.default_memory', `Did you mean ${key('default_memory')}?`],
    ['io.katacontainers.config.foo.bar', 'Remove it from the pod'],
    ['io.katacontainers.config.factory.enable_template', ''],
    [key('enable_template'), ''],
    ['io.katacontainers.config_path', 'names the file (ConfigPath)'],
    ['io.katacontainers.config.hypervisor', 'Remove it from the pod'],
  ])('%s is not known, enabled or not', (annotation, hint) => {
    for (const text of ['', all])
      expectCode(() => apply(text, { [annotation]: '1' }), 'ANNOTATION_UNKNOWN', hint)
    expectCode(() => apply('', { [annotation]: '1' }), 'ANNOTATION_UNKNOWN', `"${annotation}"`)
  })

  test('the VMM may be named, and not chosen', () => {
    const name = runtimeKey('hypervisor_name')
    expect(apply('', { [name]: 'qemu', [runtimeKey('name')]: 'virt_container' }).driver).toBe('qemu')
    for (const text of ['', all])
      expectCode(() => apply(text, { [name]: 'clh' }), 'ANNOTATION_UNSUPPORTED', 'it is QEMU')
  })

  test('enabled, and a function that is not there: one warning', () => {
    const messages: string[] = []
    const log = createLogger({ sink: ({ message }) => messages.push(message) })
    applyAnnotations(config(all), { [key('enable_iommu')]: 'true' }, log, host)
    expect(messages).toEqual([
      `annotation ${key('enable_iommu')} has no effect: guests have no virtual IOMMU`,
    ])
  })
})

describe('runtime and agent', () => {
  const enabled = (...entries: string[]) => `enable_annotations = ${JSON.stringify(entries)}`
  const ask = (text: string, annotations: Annotations) =>
    applyAnnotations(config(text), annotations, silentLogger, host)

  test('need to be enabled too, with the table before the name', () => {
    const timeout = { [runtimeKey('create_container_timeout')]: '90' }
    const modules = { [agentKey('kernel_modules')]: 'e1000e a=1 b=2; i915' }
    expectCode(
      () => ask(enabled('create_container_timeout'), timeout),
      'ANNOTATION_NOT_ENABLED',
      'runtime.create_container_timeout',
    )
    expectCode(
      () => ask(enabled('kernel_modules'), modules),
      'ANNOTATION_NOT_ENABLED',
      'agent.kernel_modules',
    )
    expect(ask(enabled('runtime.create_container_timeout'), timeout).runtime.createContainerTimeout).toBe(90)
    expect(ask(enabled('agent\\..*'), modules).agent.kernelModules).toEqual(['e1000e a=1 b=2', 'i915'])
    // Those of the file are not loaded then, as with Kata's Go runtime.
    const both = `${enabled('agent\\..*')}\n[agent.kata]\nkernel_modules = ["loop"]`
    expect(ask(both, modules).agent.kernelModules).toEqual(['e1000e a=1 b=2', 'i915'])
    expectCode(() => ask(enabled('.*'), { [agentKey('kernel_modules')]: 'a;;b' }), 'CONFIG_VALUE')
    expectCode(() => ask(enabled('.*'), { [runtimeKey('internetworking_model')]: 'macvtap' }), 'CONFIG_VALUE')
  })

  test('the seccomp profiles of containers may be asked for by everybody, and taken away only with permission', () => {
    const without = '[runtime]\ndisable_guest_seccomp = true'
    const profile = runtimeKey('disable_guest_seccomp')
    expect(ask(without, { [profile]: 'false' }).runtime.disableGuestSeccomp).toBe(false)
    const with_ = '[runtime]\ndisable_guest_seccomp = false'
    expectCode(() => ask(with_, { [profile]: 'true' }), 'ANNOTATION_NOT_ENABLED', profile)
    expect(
      ask(`${enabled('runtime.disable_guest_seccomp')}\n${with_}`, { [profile]: 'true' }).runtime
        .disableGuestSeccomp,
    ).toBe(true)
  })

  test('a pod that asks for a check that is not done never starts, enabled or not', () => {
    for (const annotation of [
      ...[agentKey('policy'), key('cc_init_data'), key('firmware_hash')],
      'io.katacontainers.asset_hash_type',
    ])
      for (const text of ['', enabled('.*')])
        expectCode(() => ask(text, { [annotation]: 'x' }), 'ANNOTATION_UNSUPPORTED', annotation)
  })

  test("the names of Kata's Go runtime without a table need permission as well", () => {
    const annotation = 'io.katacontainers.enable_vcpus_pinning'
    expectCode(
      () => ask('', { [annotation]: 'true' }),
      'ANNOTATION_NOT_ENABLED',
      'runtime.enable_vcpus_pinning',
    )
  })
})

describe('another VMM', () => {
  const all = 'enable_annotations = [".*"]'

  test('what it cannot do fails the pod, what means nothing to it is a warning', () => {
    const messages: string[] = []
    const log = createLogger({ sink: ({ message }) => messages.push(message) })
    const firecracker = configFor('firecracker', all)
    for (const [name, value] of [
      ['shared_fs', 'virtio-fs'],
      ['hot_plug_vfio', 'root-port'],
    ] as const)
      expectCode(
        () => applyAnnotations(firecracker, { [key(name)]: value }, log, host),
        'CONFIG_VMM_CANNOT',
        key(name),
      )
    const wishes = { [key('machine_type')]: 'q35', [key('cpu_features')]: 'pmu=off' }
    applyAnnotations(firecracker, wishes, log, host)
    expect(messages).toEqual([`annotation ${key('cpu_features')} has no meaning for Firecracker`])
  })

  test('its own values count', () => {
    const driver = (name: string, value: string) =>
      applyAnnotations(configFor(name, all), { [key('block_device_driver')]: value }, silentLogger, host)
        .hypervisor.blockDeviceDriver
    expect(driver('clh', 'virtio-blk')).toBe('virtio-blk')
    expectCode(() => driver('clh', 'virtio-scsi'), 'CONFIG_VALUE')
    expect(driver('qemu', 'virtio-scsi')).toBe('virtio-scsi')
  })
})

describe('values', () => {
  const all = 'enable_annotations = [".*"]\nkernel_params = "a=1 b"\nvirtio_fs_extra_args = ["--xattr"]'

  test('one way to plug devices in takes the other off, as in Kata', () => {
    const [hot, cold] = [key('hot_plug_vfio'), key('cold_plug_vfio')]
    const ways = (annotations: Annotations) => {
      const { hotPlugVfio, coldPlugVfio } = apply(`${all}\nhot_plug_vfio = "root-port"`, annotations)
      return [hotPlugVfio, coldPlugVfio]
    }
    expect(ways({ [cold]: 'root-port' })).toEqual(['no-port', 'root-port'])
    expect(ways({ [cold]: 'root-port', [hot]: 'no-port' })).toEqual(['no-port', 'root-port'])
    expect(ways({ [cold]: 'no-port' })).toEqual(['root-port', 'no-port'])
    expect(ways({ [hot]: 'root-port' })).toEqual(['root-port', 'no-port'])
    expectCode(() => ways({ [hot]: 'root-port', [cold]: 'root-port' }), 'CONFIG_CONFLICT')
  })

  test('are parsed by the type of their key', () => {
    const result = apply(all, {
      [key('default_vcpus')]: '1.5',
      [key('default_max_vcpus')]: '3',
      [key('default_memory')]: '512',
      [key('kernel_params')]: 'a=2 c',
      [key('virtio_fs_extra_args')]: '["--posix-acl"]',
      [key('virtio_fs_cache')]: 'always',
    })
    expect(result).toMatchObject({
      defaultVcpus: 1.5,
      defaultMaxVcpus: 3,
      defaultMemory: 512,
      kernelParams: ['b', 'a=2', 'c'],
      virtioFsExtraArgs: ['--xattr', '--posix-acl'],
      virtioFsCache: 'always',
    })
    expect(Object.isFrozen(result)).toBe(true)
  })

  test('a kernel parameter may have spaces between quotation marks, and is replaced as a whole', () => {
    const params = (file: string, text: string) =>
      apply(`enable_annotations = ["kernel_params"]\nkernel_params = '${file}'`, {
        [key('kernel_params')]: text,
      }).kernelParams
    expect(params('dyndbg="file a  +p" quiet', '')).toEqual(['dyndbg="file a  +p"', 'quiet'])
    expect(params('a dyndbg="file x +p" b', ' dyndbg="file y +p"  c')).toEqual([
      'a',
      'b',
      'dyndbg="file y +p"',
      'c',
    ])
    // A mark without another reaches to the end: what stands before it stays.
    expect(params('a=1 b', 'x="a b')).toEqual(['a=1', 'b', 'x="a b'])
  })

  const bad: [string, string, ErrorCode][] = [
    ['default_vcpus', '5', 'CONFIG_VALUE'],
    ['default_memory', '9000', 'CONFIG_VALUE'],
    ['default_memory', '1e3', 'CONFIG_TYPE'],
    ['default_memory', '', 'CONFIG_TYPE'],
    ['kernel', 'vmlinux', 'CONFIG_VALUE'],
    ['kernel_params', 'a\nb', 'CONFIG_VALUE'],
    ['machine_type', 'q35,accel=tcg', 'CONFIG_VALUE'],
    ['cpu_features', 'pmu=off -m 9G', 'CONFIG_VALUE'],
    ['virtio_fs_extra_args', '{}', 'CONFIG_TYPE'],
    ['virtio_fs_extra_args', '--xattr,--shared-dir=/', 'CONFIG_VALUE'],
    ['virtio_fs_extra_args', '["--shared-dir=/"]', 'CONFIG_VALUE'],
  ]
  test.each(bad)('%s = %j is refused and named', (name, value, code) => {
    expectCode(() => apply(all, { [key(name)]: value }), code, key(name))
  })

  test('* of an allow-list stands for one part of a path, not for none', () => {
    const list = config('enable_annotations = ["path"]\nvalid_hypervisor_paths = ["/usr/*/qemu", "/opt/**"]')
    const path = (text: string) =>
      applyAnnotations(list, { [key('path')]: text }, silentLogger, { ...host, exists: () => true })
        .hypervisor.path
    expect(path('/usr/bin/qemu')).toBe('/usr/bin/qemu')
    expect(path('/opt/qemu')).toBe('/opt/qemu')
    const longer = ['/tmp/usr/bin/qemu', '/tmp/opt/qemu', '/usr/bin/qemu-not', '/usr/bin/qemu/not']
    for (const text of ['/usr//qemu', '/usr/a/b/qemu', '/opt/a/qemu', ...longer])
      expectCode(() => path(text), 'ANNOTATION_PATH_REFUSED')
  })

  test('? of an allow-list stands for one sign, which is no slash', () => {
    const list = config('enable_annotations = ["path"]\nvalid_hypervisor_paths = ["/usr/a?b"]')
    const path = (text: string) =>
      applyAnnotations(list, { [key('path')]: text }, silentLogger, { ...host, exists: () => true })
        .hypervisor.path
    expect(path('/usr/a-b')).toBe('/usr/a-b')
    for (const text of ['/usr/a/b', '/usr/ab', '/usr/a--b'])
      expectCode(() => path(text), 'ANNOTATION_PATH_REFUSED')
  })

  test('no sign of an allow-list but * and ? has a meaning', () => {
    const patterns = ['/usr/[!x]*', '/usr/{a,b}', '/usr/q.mu', '/srv/a?b+(c)']
    const list = config(`enable_annotations = ["path"]\nvalid_hypervisor_paths = ${JSON.stringify(patterns)}`)
    const host = { size, exists: () => true, isOpenToAll: () => false }
    const path = (text: string) =>
      applyAnnotations(list, { [key('path')]: text }, silentLogger, host).hypervisor.path
    expect(['/usr/q.mu', '/srv/a-b+(c)', '/usr/{a,b}', '/usr/[!x]-1'].map(path)).toHaveLength(4)
    for (const text of ['/usr/a', '/usr/qxmu', '/usr/y', '/srv/abbc', '/usr/b/c'])
      expectCode(() => path(text), 'ANNOTATION_PATH_REFUSED')
  })

  test.each(['kernel', 'initrd', 'image'])(
    '%s is a file that is open to all, or the one that is configured',
    (name) => {
      const list = `enable_annotations = ["${name}"]\n`
      expect(apply(list, { [key(name)]: '/boot/x' })).toMatchObject({ [name]: '/boot/x' })
      expectCode(
        () => apply(list, { [key(name)]: '/var/lib/kubelet/x' }),
        'ANNOTATION_FILE_REFUSED',
        `${key(name)}: "/var/lib/kubelet/x" is not a file that every user can read`,
      )
      const configured = `${list}${name} = "/root/own"`
      expect(apply(configured, { [key(name)]: '/root/own' })).toMatchObject({ [name]: '/root/own' })
      expect(apply(configured, { [key(name)]: '' })).toMatchObject({ [name]: '' })
    },
  )

  test('a program must match its allow-list and exist', () => {
    const list = 'enable_annotations = ["path"]\nvalid_hypervisor_paths = ["/usr/bin/qemu-*"]'
    expect(apply(list, { [key('path')]: '/usr/bin/qemu-new' }).path).toBe('/usr/bin/qemu-new')
    for (const path of ['/usr/bin/other', '/usr/bin/qemu-x/y', '/usr//bin/qemu-new', '/opt/qemu-new'])
      expectCode(
        () => apply(list, { [key('path')]: path }),
        'ANNOTATION_PATH_REFUSED',
        'valid_hypervisor_paths',
      )
    expectCode(() => apply(list, { [key('path')]: '/usr/bin/qemu-a/../../../tmp/qemu' }), 'CONFIG_VALUE')
    expectCode(
      () =>
        apply('enable_annotations = ["path"]\nvalid_hypervisor_paths = ["/bin/*"]', {
          [key('path')]: '/bin/absent',
        }),
      'CONFIG_FILE_MISSING',
      `annotation ${key('path')} names "/bin/absent", which does not exist. Install it, or correct annotation ${key('path')} in the pod.`,
    )
    expectCode(
      () => apply('enable_annotations = ["path"]', { [key('path')]: '/usr/bin/qemu-new' }),
      'ANNOTATION_PATH_REFUSED',
    )
  })
})

describe('rootless', () => {
  for (const annotation of [short, key('rootless')]) {
    test(`${annotation}: "true" works without being enabled`, () => {
      expect(apply('rootless = false', { [annotation]: 'true' }).rootless).toBe(true)
      expect(apply('rootless = true', { [annotation]: 'true' }).rootless).toBe(true)
    })
    test(`${annotation}: "false" needs to be enabled against true`, () => {
      expect(apply('rootless = false', { [annotation]: 'false' }).rootless).toBe(false)
      expectCode(
        () => apply('rootless = true', { [annotation]: 'false' }),
        'ANNOTATION_NOT_ENABLED',
        annotation,
      )
      expectCode(() => apply('rootless = true', { [annotation]: '0' }), 'ANNOTATION_NOT_ENABLED')
      expect(
        apply('rootless = true\nenable_annotations = ["rootless"]', { [annotation]: 'false' }).rootless,
      ).toBe(false)
    })
    test(`${annotation}: anything but a boolean is an error`, () => {
      for (const value of ['', 'yes', 'TRUEE', ' true', 'null'])
        expectCode(() => apply('', { [annotation]: value }), 'CONFIG_TYPE', annotation)
    })
  }

  test('two spellings that disagree are an error', () => {
    expectCode(
      () => apply('enable_annotations = [".*"]', { [short]: 'true', [key('rootless')]: 'false' }),
      'CONFIG_CONFLICT',
    )
    expect(apply('', { [short]: 'true', [key('rootless')]: '1' }).rootless).toBe(true)
  })
})

test('any annotations give a Config or a KataError', () => {
  const name = fc.oneof(
    fc.constantFrom(
      'path',
      'kernel',
      'default_vcpus',
      'virtio_fs_extra_args',
      'rootless',
      'kernel_params',
      'cpu_features',
      'kernel_modules',
      'create_container_timeout',
      'disable_guest_seccomp',
      '__proto__',
    ),
    fc.string(),
  )
  const annotation = fc
    .tuple(
      fc.constantFrom(key, runtimeKey, agentKey, (text: string) => text),
      name,
    )
    .map(([prefixed, text]) => prefixed(text))
  fc.assert(
    fc.property(fc.dictionary(annotation, fc.string()), (annotations) => {
      try {
        expect(apply('enable_annotations = [".*"]', annotations).driver).toBe('qemu')
      } catch (error) {
        expect(error).toBeInstanceOf(KataError)
      }
    }),
  )
})
