/** Debian packages that must be installed on the host: the VMM, what builds the guest agent, and small tools. */
import { aptUpdate, asRoot, downloadError } from '../guest/image/apt.ts'
import { runTool } from '../guest/image/child.ts'
import type { Progress } from '../guest/image/progress.ts'

/** Package names with the reason why each is here. */
export const systemPackages: Readonly<Record<string, string>> = {
  'qemu-system-x86': 'the VMM',
  virtiofsd: 'shares directories with the guest',
  'busybox-static': 'the root file system of the demo',
  quickjs: 'qjsc compiles the guest agent',
  libquickjs: 'headers and library for it',
  gcc: 'its native module',
  'libc6-dev': 'headers and static libc for it',
  'xz-utils': 'unpacks kernel modules',
  'util-linux-extra': 'enosys',
  passwd: 'useradd and userdel',
  e2fsprogs: 'mkfs.ext4 makes root file systems disks, for Firecracker',
  containerd: 'drives the shim in the end-to-end tests',
  runc: 'what kata-ts is compared with there',
  'containernetworking-plugins': 'the network of the pods there',
  iproute2: 'ip, to look at it and take it away',
  mmdebstrap: 'makes the lab host of packages',
  'openssh-client': 'how commands get into it',
  swtpm: 'the TPM of a guest (enable_tpm)',
}

/** Which of the packages are not (completely) installed. */
export async function missingPackages(): Promise<string[]> {
  const names = Object.keys(systemPackages)
  // dpkg-query ends with 1 when it does not know a name, and still reports the others.
  const { stdout } = await runTool(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
    ['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\\n', ...names],
    {
      env: process.env,
      timeout: 60_000,
    },
  )
  const installed = new Set(stdout.split('\n'))
  return names.filter((name) => !installed.has(`${name} installed`))
}

/**
 * Installs `names` with nothing that they merely recommend.
 *
 * @throws KataError IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function installPackages(names: readonly string[], progress: Progress): Promise<void> {
  const first = await install(names, progress)
  if (first.code === 0) return
  // Lists that are missing or older than the archive are the usual reason; fetch them once.
  await aptUpdate({ env: process.env })
  const second = await install(names, progress)
  if (second.code !== 0) throw downloadError(second.stderr, '/')
}

function install(names: readonly string[], progress: Progress) {
  const onOutput = (text: string) => {
    const fraction = installedFraction(text)
    if (fraction !== undefined) progress.update(fraction)
  }
  return runTool(
    [
      'apt-get',
      ...asRoot,
      '-q',
      '-o',
      'APT::Status-Fd=1',
      '-o',
      'DPkg::Lock::Timeout=120',
      'install',
      '-y',
      '--no-install-recommends',
      ...names,
    ],
    { env: process.env, timeout: 30 * 60_000, onOutput },
  )
}

/** The last progress report in apt's status lines (`dlstatus:N:PERCENT:...`, `pmstatus:PACKAGE:PERCENT:...`), download counted as half. */
export function installedFraction(text: string): number | undefined {
  const report = [...text.matchAll(/^(dl|pm)status:[^:]*:([\d.]+):/gm)].at(-1)
  if (report === undefined) return undefined
  const percent = Number(report[2])
  return (report[1] === 'dl' ? percent : 100 + percent) / 200
}
