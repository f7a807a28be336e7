import { describe, expect, test } from 'bun:test'
import type { RootfsType } from '../../../config/config.ts'
import { builtInConfig } from '../../../config/load.ts'
import type { VmSpec } from '../../vmm.ts'
import { qemuCommandLine as commandLine, type MachineSettings } from './command-line.ts'

const spec: VmSpec = {
  sandboxId: 'pod-1',
  identity: { name: 'kata-7', uid: 70000, gid: 70000, groups: [] },
  privateDir: '/run/user/70000',
  stateDir: '/run/kata-ts/default/pod-1',
  kernel: '/var/cache/vmlinux',
  initrd: '/var/cache/initrd',
  kernelParams: ['agent.log=debug'],
  vcpus: 1,
  maxVcpus: 0,
  memoryMiB: 256,
  maxMemoryMiB: 0,
  accelerator: 'tcg',
}
const settings: MachineSettings = {
  ...builtInConfig().hypervisor,
  pcieRootPort: 2,
  firmwareDirs: ['/usr/share/qemu'],
  hostCpus: 8,
  hostMemoryMiB: 16384,
}

/** With the roles of the descriptors alone. */
function qemuCommandLine(machine: VmSpec, given: MachineSettings) {
  const { descriptors, ...rest } = commandLine(machine, given)
  return { ...rest, fds: descriptors.map(({ role }) => role) }
}

/** The values of an option that may occur more than once. */
function values(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, index) => (args[index - 1] === option ? [arg] : []))
}

const saved = { state: '/saved/state', recorded: { bytes: 1, changedAt: '1' } }

describe('qemuCommandLine', () => {
  test('is exactly this under TCG without a share', () => {
    const { args, fds } = qemuCommandLine(spec, settings)
    expect(fds).toEqual(['qmp', 'agent', 'console'])
    expect(args.filter((_, index) => args[index - 1] !== '-append')).toEqual([
      ...['-name', 'sandbox-pod-1,debug-threads=on'],
      '-machine',
      'q35,memory-backend=mem,sata=off,usb=off,hpet=off,vmport=off,smm=off,smbus=off,i8042=off,dump-guest-core=off',
      ...['-accel', 'tcg,tb-size=128', '-cpu', 'max,-erms,-fsrm,-fsrs,-fzrm,pmu=off,vmx=off,svm=off'],
      ...['-smp', 'cpus=5,sockets=5,cores=1,threads=1,maxcpus=5'],
      ...['-m', 'size=256M,slots=10,maxmem=16384M'],
      ...['-object', 'memory-backend-memfd,id=mem,size=256M,share=on'],
      ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot', '-S'],
      ...['-sandbox', settings.seccompSandbox, '-msg', 'timestamp=on', '-rtc', 'base=utc,clock=host'],
      ...['-kernel', '/boot/vmlinux', '-initrd', '/boot/initrd', '-append'],
      ...['-chardev', 'socket,id=qmp,fd=3,server=on,wait=off', '-mon', 'chardev=qmp,mode=control'],
      ...['-chardev', 'socket,id=console,fd=5,server=on,wait=off', '-device', 'isa-serial,chardev=console'],
      ...['-device', 'virtio-serial-pci,id=serial,max_ports=2'],
      ...['-chardev', 'socket,id=agent,fd=4,server=on,wait=off'],
      ...['-device', 'virtserialport,id=agent,bus=serial.0,chardev=agent,name=agent.channel.0'],
      ...['-object', 'rng-random,id=entropy,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=entropy'],
      ...['-device', 'pcie-root-port,id=rp0,bus=pcie.0,addr=0xf,chassis=1,slot=1'],
      ...['-device', 'pcie-root-port,id=rp1,bus=pcie.0,addr=0x10,chassis=2,slot=2'],
    ])
  })

  test('opens by path only kernel, initrd, entropy and firmware, and the KVM node under KVM', () => {
    const targets = (accelerator: VmSpec['accelerator']) =>
      qemuCommandLine({ ...spec, accelerator }, settings).paths.map(
        ({ target, access }) => `${target} ${access}`,
      )
    const always = ['/boot/vmlinux read', '/boot/initrd read', '/dev/urandom read', '/usr/share/qemu read']
    expect(targets('tcg')).toEqual(always)
    expect(targets('kvm')).toEqual([...always, '/dev/kvm read-write'])
  })

  test('puts the share on the fourth descriptor', () => {
    const { args, fds } = qemuCommandLine(
      { ...spec, share: { tag: 'kataShared', socket: 33, queueSize: 1024 } },
      settings,
    )
    expect(fds).toEqual(['qmp', 'agent', 'console', 'share'])
    expect(values(args, '-chardev')).toContain('socket,id=share,fd=6')
    expect(values(args, '-device').at(-1)).toBe(
      'vhost-user-fs-pci,id=share,chardev=share,tag=kataShared,queue-size=1024,bus=pcie.0',
    )
  })

  test('has one that goes on with its own state wait for that, with the devices that it had', () => {
    const nics = [{ id: 'eth0', mac: '02:00:00:00:00:01', mtu: 1500, taps: [40] }]
    const booted = qemuCommandLine({ ...spec, nics }, settings)
    const { args, paths } = qemuCommandLine(
      { ...spec, nics, resumed: { ...saved, wasClone: false } },
      settings,
    )
    expect(values(args, '-incoming')).toEqual(['defer'])
    for (const option of ['-kernel', '-initrd', '-append']) expect(args).not.toContain(option)
    expect(values(args, '-device')).toEqual(values(booted.args, '-device'))
    expect(JSON.stringify(paths)).not.toContain(spec.kernel)
    // The control: a clone of a template gets its card later.
    const clone = qemuCommandLine({ ...spec, nics, template: saved }, settings)
    expect(values(clone.args, '-device').filter((text) => text.includes('virtio-net'))).toEqual([])
    // A clone that was saved has the ports of one, and gets its card into one of them again.
    const resumed = { ...saved, wasClone: true }
    const again = qemuCommandLine({ ...spec, nics, resumed }, settings)
    expect(values(again.args, '-device')).toEqual(values(clone.args, '-device'))
    expect(values(again.args, '-netdev')).toEqual(values(clone.args, '-netdev'))
  })

  test('maps the memory of a clone from its template’s file, which it only reads', () => {
    const template = { ...saved, memory: '/saved/memory' }
    const { args, paths } = qemuCommandLine({ ...spec, template }, settings)
    expect(values(args, '-object')[0]).toBe(
      'memory-backend-file,id=mem,size=256M,mem-path=/boot/memory,share=off,readonly=on,rom=off',
    )
    expect(paths).toContainEqual({ source: '/saved/memory', target: '/boot/memory', access: 'read' })
    // Its template wrote to one of its own.
    const made = qemuCommandLine({ ...spec, template: 'make-apart' }, settings)
    expect(values(made.args, '-object')[0]).toBe(
      'memory-backend-file,id=mem,size=256M,mem-path=/boot/memory,share=on',
    )
    const source = `${spec.privateDir}/memory`
    expect(made.paths).toContainEqual({ source, target: '/boot/memory', access: 'read-write' })
  })

  test('puts a second share on the next descriptor, under a name of its own', () => {
    const share = { tag: 'kataShared', socket: 33, queueSize: 1024 }
    const { args, fds } = qemuCommandLine(
      { ...spec, share, volumeShare: { ...share, tag: 'kataVolumes', socket: 34 } },
      settings,
    )
    expect(fds).toEqual(['qmp', 'agent', 'console', 'share', 'volumes'])
    expect(values(args, '-chardev').slice(-2)).toEqual(['socket,id=share,fd=6', 'socket,id=volumes,fd=7'])
    expect(values(args, '-device').slice(-2)).toEqual([
      'vhost-user-fs-pci,id=share,chardev=share,tag=kataShared,queue-size=1024,bus=pcie.0',
      'vhost-user-fs-pci,id=volumes,chardev=volumes,tag=kataVolumes,queue-size=1024,bus=pcie.0',
    ])
  })

  test('hands the disk over as the last descriptor, in a set that QEMU opens for reading', () => {
    const onDisk = { ...spec, rootDisk: { image: '/images/disk.img', fsType: 'ext4' } } as const
    const { args, fds, paths } = qemuCommandLine(
      { ...onDisk, share: { tag: 'kataShared', socket: 33, queueSize: 1024 } },
      settings,
    )
    expect(fds.at(-1)).toBe('disk')
    expect(values(args, '-add-fd')).toEqual(['fd=7,set=1'])
    expect(values(args, '-blockdev')).toEqual([
      'driver=file,node-name=disk,filename=/dev/fdset/1,read-only=on,aio=threads',
    ])
    expect(values(args, '-device').at(-1)).toBe('virtio-blk-pci,id=disk,drive=disk,bus=pcie.0')
    expect(`${args} ${JSON.stringify(paths)}`).not.toContain('disk.img')
    const limited = qemuCommandLine(onDisk, { ...settings, diskRateLimiterBwMaxRate: 8e6 }).args
    expect(
      values(limited, '-object')
        .slice(-1)
        .map((text) => JSON.parse(text)),
    ).toEqual([{ 'qom-type': 'throttle-group', id: 'limit-disk', limits: { 'bps-total': 1e6 } }])
    expect(values(limited, '-blockdev')).toEqual([
      'driver=throttle,node-name=disk,throttle-group=limit-disk,read-only=on,' +
        'file.driver=file,file.filename=/dev/fdset/1,file.read-only=on,file.aio=threads',
    ])
  })

  test('tells our initrd of the disk, and a kernel without one in its own words', () => {
    const appended = (fsType: RootfsType, initrd?: string) => {
      const { initrd: _, ...bare } = spec
      const files = { rootDisk: { image: '/i', fsType }, ...(initrd === undefined ? {} : { initrd }) }
      const { args, paths } = qemuCommandLine({ ...bare, ...files }, settings)
      const hasInitrd = args.includes('-initrd')
      expect(paths.some(({ target }) => target === '/boot/initrd')).toBe(hasInitrd)
      return { hasInitrd, append: values(args, '-append')[0] }
    }
    const withInitrd = appended('ext4', '/var/cache/initrd')
    expect(withInitrd.hasInitrd).toBe(true)
    expect(withInitrd.append).toEndWith(' agent.root=/dev/vda agent.rootfstype=ext4 agent.log=debug')
    const ext4 = appended('ext4')
    expect(ext4.hasInitrd).toBe(false)
    expect(ext4.append).toEndWith(
      ' root=/dev/vda1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4 agent.log=debug',
    )
    expect(appended('xfs').append).toEndWith(' root=/dev/vda1 ro rootfstype=xfs agent.log=debug')
  })

  test('gives KVM the host CPU and processors to spare', () => {
    const { args } = qemuCommandLine(
      { ...spec, accelerator: 'kvm', vcpus: 1.5 },
      { ...settings, cpuFeatures: 'vmx=on' },
    )
    expect(values(args, '-accel')).toEqual(['kvm'])
    expect(values(args, '-cpu')).toEqual(['host,pmu=off,vmx=off,svm=off,vmx=on'])
    expect(values(args, '-smp')).toEqual(['cpus=2,sockets=8,cores=1,threads=1,maxcpus=8'])
  })

  test('boots one processor under TCG and has the others there, unused', () => {
    const smp = (more: Partial<VmSpec>, hostCpus = 8) =>
      values(qemuCommandLine({ ...spec, ...more }, { ...settings, hostCpus }).args, '-smp')[0]
    expect(smp({ vcpus: 4 })).toStartWith('cpus=8,sockets=8,')
    expect(smp({ vcpus: 2 }, 64)).toStartWith('cpus=6,sockets=6,')
    expect(smp({ maxVcpus: 3 })).toStartWith('cpus=3,sockets=3,')
    expect(smp({ vcpus: 2, maxVcpus: 2 })).toStartWith('cpus=2,sockets=2,')
    const { args } = qemuCommandLine({ ...spec, vcpus: 4 }, settings)
    expect(values(args, '-append')[0]).toContain(' maxcpus=1 lpj=')
    const alone = qemuCommandLine({ ...spec, maxVcpus: 1 }, settings)
    expect(values(alone.args, '-append')[0]).not.toContain('maxcpus=')
  })

  test('keeps a guest under TCG from trusting a time stamp counter whose speed it has to guess', () => {
    const append = (accelerator: VmSpec['accelerator']) =>
      values(qemuCommandLine({ ...spec, accelerator }, settings).args, '-append')[0]!.split(' ')
    expect(append('tcg')).toContain('tsc=unstable')
    expect(append('kvm')).not.toContain('tsc=unstable')
  })

  test('ends the kernel command line with the configured parameters and never switches off zeroing', () => {
    const [append = ''] = values(qemuCommandLine(spec, settings).args, '-append')
    expect(append).toEndWith(' agent.log=debug')
    expect(append).not.toContain('init_on_alloc')
    expect(append).not.toContain('mitigations')
  })

  test('leaves memory hot-plug out when there is no room for it', () => {
    const fixed = { ...spec, maxMemoryMiB: 256 }
    for (const enableVirtioMem of [false, true]) {
      const { args } = qemuCommandLine(fixed, { ...settings, enableVirtioMem })
      expect(values(args, '-m')).toEqual(['size=256M'])
      expect(`${args}`).not.toContain('virtio-mem')
    }
  })

  test('has room for whole memory blocks up to the most', () => {
    const { args } = qemuCommandLine({ ...spec, memoryMiB: 300, maxMemoryMiB: 512 }, settings)
    expect(values(args, '-m')).toEqual(['size=300M,slots=10,maxmem=556M'])
  })

  test('backs memory as configured', () => {
    const objects = (more: Partial<MachineSettings>) =>
      values(qemuCommandLine({ ...spec, maxMemoryMiB: 512 }, { ...settings, ...more }).args, '-object')
    expect(objects({ enableHugepages: true, enableMemPrealloc: true })[0]).toBe(
      'memory-backend-memfd,id=mem,size=256M,share=on,hugetlb=on,prealloc=on',
    )
    expect(objects({ enableVirtioMem: true })[1]).toBe(
      'memory-backend-memfd,id=vmem-memory,size=256M,share=on,reserve=off',
    )
  })

  test('adds a virtio-mem device and a balloon when asked to', () => {
    const devices = (more: Partial<MachineSettings>) =>
      values(qemuCommandLine(spec, { ...settings, ...more }).args, '-device').join(' ')
    expect(devices({})).not.toMatch(/virtio-mem|balloon/)
    expect(devices({ enableVirtioMem: true })).toContain('virtio-mem-pci,id=vmem,memdev=vmem-memory,')
    expect(devices({ reclaimGuestFreedMemory: true })).toContain('free-page-reporting=on')
  })

  test.each([
    ['sandbox id', { ...spec, sandboxId: 'a,process=x' }, settings],
    ['share tag', { ...spec, share: { tag: 'a,b=c', socket: 9, queueSize: 1 } }, settings],
    ['entropy_source', spec, { ...settings, entropySource: '/dev/x,y' }],
    ['machine_type', spec, { ...settings, machineType: 'q35,accel=kvm' }],
    ['default_memory', { ...spec, memoryMiB: 0 }, settings],
    ['default_vcpus', { ...spec, vcpus: Number.NaN }, settings],
  ])('refuses a %s that QEMU would take for something else', (name, badSpec, badSettings) => {
    expect(() => qemuCommandLine(badSpec, badSettings)).toThrow(
      `[VMM_OPTION_INVALID] the virtual machine cannot be described to the VMM: ${name} is`,
    )
  })

  test('hands KVM over in a set, and shows no node then', () => {
    const { args, fds, paths } = qemuCommandLine(
      { ...spec, accelerator: 'kvm', kvmAccess: 'descriptor' },
      settings,
    )
    expect(fds).toEqual(['qmp', 'agent', 'console', 'kvm'])
    expect(values(args, '-add-fd')).toEqual(['fd=6,set=2'])
    expect(values(args, '-accel')).toEqual(['kvm,device=/dev/fdset/2'])
    expect(paths.map(({ target }) => target)).not.toContain('/dev/kvm')
  })

  test('gives the guest the host’s vsock by a descriptor, and the agent its address', () => {
    const { args, fds } = qemuCommandLine({ ...spec, vsock: { fd: 40, cid: 77 } }, settings)
    expect(fds).toEqual(['qmp', 'agent', 'console', 'vsock'])
    expect(values(args, '-device')).toContain('vhost-vsock-pci,id=vsock,guest-cid=77,vhostfd=6,bus=pcie.0')
    expect(values(args, '-append')[0]).toContain(' agent.server_addr=vsock://-1:1024')
  })

  test('gives the guest a TPM over a descriptor, and its initrd a place away from the firmware’s log', () => {
    const { args, fds } = qemuCommandLine(
      { ...spec, tpm: { socket: 40 } },
      { ...settings, initrdBytes: 1000 },
    )
    expect(fds).toEqual(['qmp', 'agent', 'console', 'tpm'])
    expect(values(args, '-chardev')).toContain('socket,id=tpm,fd=6')
    expect(values(args, '-tpmdev')).toEqual(['emulator,id=tpm,chardev=tpm'])
    expect(values(args, '-initrd')).toEqual([])
    expect(values(args, '-device')[0]).toBe('loader,file=/boot/initrd,addr=0x7000000,force-raw=on')
    expect(values(args, '-append')[0]).toContain('initrdmem=0x7000000,1000')
  })
})

describe('devices that are there from the start', () => {
  const machine: VmSpec = { ...spec, vcpus: 1 }
  const eight = { ...settings, pcieRootPort: 8 }
  const device = (id: string, fd: number, iommu: number) => ({ id, name: `device ${id}`, fd, iommu })
  const handed = (given: VmSpec) =>
    commandLine(given, eight).descriptors.map(({ from, inSet }) =>
      [...('fd' in from ? [from.fd] : Object.values(from)), ...(inSet ? ['in a set'] : [])].join(' '),
    )

  test('are devices of the host on the first ports, behind one address space', () => {
    const vfio = [device('vfio-a', 70, 69), device('vfio-b', 71, 68)]
    const { args } = commandLine({ ...machine, vfio }, eight)
    expect(args.slice(args.indexOf('iommufd,id=iommu,fd=6') - 1)).toEqual([
      ...['-object', 'iommufd,id=iommu,fd=6'],
      ...['-device', 'vfio-pci,id=vfio-a,iommufd=iommu,fd=7,bus=rp0'],
      ...['-device', 'vfio-pci,id=vfio-b,iommufd=iommu,fd=8,bus=rp1'],
    ])
  })

  test('come with all other descriptors in one order, and those in sets are told apart', () => {
    const nic = { id: 'eth0', mac: '02:00:00:00:00:01', mtu: 1500, taps: [50, 51], vhosts: [52, 53] }
    const share = { tag: 'kataShared', socket: 33, queueSize: 1024 }
    const given: VmSpec = {
      ...machine,
      accelerator: 'kvm',
      kvmAccess: 'descriptor',
      share,
      volumeShare: { ...share, tag: 'kataVolumes', socket: 34 },
      nics: [nic],
      tpm: { socket: 40 },
      vsock: { fd: 41, cid: 77 },
      rootDisk: { image: '/i', fsType: 'ext4' },
      vfio: [device('vfio-a', 70, 69)],
    }
    expect(handed(given)).toEqual([
      ...['qmp', 'agent', 'console', '33', '34', '40', '41', '50', '51', '52', '53'],
      ...['/dev/kvm in a set', '/i in a set', '69', '70'],
    ])
    expect(handed(machine)).toEqual(['qmp', 'agent', 'console'])
  })

  test.each<[string, Partial<VmSpec>, string]>([
    ['a device’s id', { vfio: [device('a,host=0000:00:00.0', 1, 2)] }, 'VMM_OPTION_INVALID'],
    ['the id of the address space', { vfio: [device('iommu', 1, 2)] }, 'VMM_OPTION_INVALID'],
    ['a share by its path', { share: { tag: 'a', socket: '/s', queueSize: 1 } }, 'VMM_OPTION_INVALID'],
    [
      'more devices than root ports',
      { vfio: Array.from({ length: 9 }, (_, index) => device(`d${index}`, index, 1)) },
      'VMM_NO_FREE_PORT',
    ],
  ])('are refused for %s', (_, more, code) => {
    expect(() => commandLine({ ...machine, ...more }, eight)).toThrow(code)
  })
})
