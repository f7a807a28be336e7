/** What is on the lab host, all of it Debian's. */
import { packagesFor } from '../../setup/packages/system-packages.ts'

/** Beside what the set-up installs on a host to run and to test. Tests compile small programs. */
const labPackages: Readonly<Record<string, string>> = {
  'linux-image-amd64': 'the stock kernel, with kvm_amd, vhost-vsock and vhost-net',
  'systemd-sysv': 'PID 1',
  gcc: 'compiles what tests attack with',
  'libc6-dev': 'the same',
  dbus: 'systemctl and systemd-run talk through it',
  udev: 'gives /dev/kvm to its group',
  'libnss-systemd': 'users of userdb (rootless_account = "userdb")',
  kmod: 'loads the modules',
  'initramfs-tools': 'the initrd',
  lz4: 'packs it so that it is unpacked quickly',
  'openssh-server': 'how commands get in',
  apparmor: 'as Debian’s kernel recommends it: its profile of pasta meets ours',
  driverctl: 'binds a PCI device to vfio-pci, as docs/how-to/devices.md says',
  pciutils: 'lspci, which driverctl calls',
  procps: 'ps, in the pages for users',
  'iputils-ping': 'shows that a network works',
  strace: 'for whoever looks into something',
  less: 'the same',
}

export const labHostPackages: readonly string[] = [
  ...new Set([...packagesFor(['run', 'test']), ...Object.keys(labPackages)]),
].sort()
