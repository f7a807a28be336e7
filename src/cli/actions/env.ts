import { existsSync, readFileSync, statSync } from 'node:fs'
import { arch, cpus, release } from 'node:os'
import type { HypervisorConfig } from '../../config/config.ts'
import { findKey, keysFor } from '../../config/keys.ts'
import { findImage } from '../../guest-image/guest-image.ts'
import { askProgram } from '../../linux/processes/ask-program.ts'
import { leaseDir } from '../../sandbox/records/paths.ts'
import { version } from '../../version.ts'
import { forecastMachineAccelerator } from '../../vmm/create.ts'
import type { AcceleratorForecast } from '../../vmm/kvm/accelerator.ts'
import { loadForPerson } from '../configuration.ts'
import { render } from '../output/format.ts'
import type { Settings } from '../settings.ts'

/** Version of this document's layout: names and nesting are those of Kata's `kata-env`. */
const formatVersion = '1.0.27'

/** Prints what a start would use and what the host is, as TOML (as Kata does) or JSON. */
export async function env(settings: Settings, file: string | undefined): Promise<number> {
  const config = loadForPerson(settings, file)
  const { hypervisor, agent, runtime, source } = config
  const image = hypervisor.kernel === '' ? findImage() : undefined
  const kernel = image?.kernel ?? hypervisor.kernel
  const forecast = forecastMachineAccelerator({ config, kernel, runDir: leaseDir })
  const facts = {
    Meta: { Version: formatVersion },
    Kernel: { Path: kernel, Parameters: hypervisor.kernelParams.join(' ') },
    Image: { Path: hypervisor.image },
    Initrd: { Path: image?.initrd ?? hypervisor.initrd },
    Hypervisor: await hypervisorFacts(hypervisor, forecast),
    Runtime: {
      Config: { Path: source },
      Path: settings.self.program,
      Version: { OCI: '1.2.1', Version: { Semver: version } },
      Debug: runtime.enableDebug,
      DisableGuestSeccomp: runtime.disableGuestSeccomp,
      SandboxCgroupOnly: runtime.sandboxCgroupOnly,
      StaticSandboxResourceMgmt: runtime.staticSandboxResourceMgmt,
      InternetworkingModel: runtime.internetworkingModel,
    },
    Agent: { Debug: agent.enableDebug, KernelModules: [...agent.kernelModules] },
    Host: hostFacts(),
  }
  const { stringify } = await import('smol-toml')
  settings.print(render(settings.format, facts, (data) => `${stringify(data)}\n`))
  return 0
}

/** Leaves out facts that do not exist with the configured VMM. */
async function hypervisorFacts(hypervisor: HypervisorConfig, forecast: AcceleratorForecast) {
  const { driver } = hypervisor
  const keys = keysFor(driver)
  const has = (key: string): boolean => findKey(keys, 'hypervisor', key)?.drivers.includes(driver) === true
  return {
    Driver: driver,
    ...(has('machine_type') && { MachineType: hypervisor.machineType }),
    Version: await firstLine([hypervisor.path, '--version']),
    Path: hypervisor.path,
    ...(has('jailer_path') && {
      JailerPath: hypervisor.jailerPath,
      JailerVersion: await firstLine([hypervisor.jailerPath, '--version']),
    }),
    Accelerator: hypervisor.accelerator,
    AcceleratorInUse: forecast.accelerator,
    AcceleratorReason: forecast.reason,
    ...(has('entropy_source') && { EntropySource: hypervisor.entropySource }),
    SharedFS: hypervisor.sharedFs,
    ...(has('virtio_fs_daemon') && {
      VirtioFSDaemon: hypervisor.virtioFsDaemon,
      VirtioFSDaemonVersion: await firstLine([hypervisor.virtioFsDaemon, '--version']),
    }),
    BlockDeviceDriver: hypervisor.blockDeviceDriver,
    ...(has('hot_plug_vfio') && { HotPlugVFIO: hypervisor.hotPlugVfio }),
    ...(has('cold_plug_vfio') && { ColdPlugVFIO: hypervisor.coldPlugVfio }),
    ...(has('memory_slots') && { MemorySlots: hypervisor.memorySlots }),
    ...(has('pcie_root_port') && { PCIeRootPort: hypervisor.pcieRootPort }),
    Debug: hypervisor.enableDebug,
    SecurityInfo: {
      Rootless: hypervisor.rootless,
      RootlessAccount: hypervisor.rootlessAccount,
      DisableSeccomp: hypervisor.seccompSandbox === '',
      EnableAnnotations: [...hypervisor.enableAnnotations],
    },
  }
}

function hostFacts() {
  const distro = fieldsOf('/etc/os-release', '=')
  const memory = fieldsOf('/proc/meminfo', ':')
  const mib = (name: string) => Math.floor(Number.parseInt(memory.get(name) ?? '0', 10) / 1024)
  const [cpu] = cpus()
  const kvm = statSync('/dev/kvm', { throwIfNoEntry: false })
  return {
    Kernel: release(),
    Architecture: arch(),
    Distro: { Name: unquote(distro.get('NAME')), Version: unquote(distro.get('VERSION_ID')) },
    CPU: { Model: cpu?.model ?? '', CPUs: cpus().length },
    /** MiB. */
    Memory: { Total: mib('MemTotal'), Free: mib('MemFree'), Available: mib('MemAvailable') },
    KVM: {
      Device: kvm !== undefined,
      ...(kvm === undefined ? {} : { Uid: kvm.uid, Gid: kvm.gid, Mode: (kvm.mode & 0o777).toString(8) }),
    },
    SupportVSocks: existsSync('/dev/vhost-vsock'),
  }
}

/** The first line a program prints; empty when it cannot be run. */
async function firstLine(argv: string[]): Promise<string> {
  if (!existsSync(argv[0]!)) return ''
  const { stdout } = await askProgram(argv).catch(() => ({ stdout: '' }))
  return stdout.split('\n')[0]!.trim()
}

function fieldsOf(path: string, separator: string): Map<string, string> {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  return new Map(
    lines.map((line) => {
      const at = line.indexOf(separator)
      return [line.slice(0, at), line.slice(at + 1).trim()]
    }),
  )
}

function unquote(text = ''): string {
  return text.replace(/^"(.*)"$/, '$1')
}
