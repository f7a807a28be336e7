/** What is written into the lab host's root directory beside its packages. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** QEMU's user network gives the guest this address; with `restrict=on` there is nothing else to reach. */
export const nicMac = '52:54:00:6b:74:01'

/** systemd's own limits are for hardware: this host is emulated, on a machine that may be busy. */
const patience = `[Manager]
DefaultTimeoutStartSec=3600s
DefaultTimeoutStopSec=600s
DefaultDeviceTimeoutSec=3600s
`

const files: Readonly<Record<string, string>> = {
  'etc/hostname': 'kata-ts-lab\n',
  'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 kata-ts-lab\n',
  'etc/fstab': '/dev/vda / ext4 rw,noatime 0 0\n',
  'etc/systemd/system.conf.d/lab.conf': patience,
  'etc/systemd/network/10-lab.network': `[Match]
MACAddress=${nicMac}
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
`,
  'etc/ssh/sshd_config.d/lab.conf': `UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
`,
  // The IOMMU's groups are those of docs/how-to/devices.md: each device is handed over by hand.
  'etc/modules-load.d/lab.conf': 'vhost_vsock\nvhost_net\nvfio-pci\n',
}

const units = '/usr/lib/systemd/system'
const wanted = 'etc/systemd/system/multi-user.target.wants'

/** Names in the root directory, and what they are links to. */
const links: Readonly<Record<string, string>> = {
  'etc/systemd/system/default.target': `${units}/multi-user.target`,
  [`${wanted}/systemd-networkd.service`]: `${units}/systemd-networkd.service`,
  // Nothing of the network is waited for, and nothing happens by itself while something is measured.
  'etc/systemd/system/systemd-networkd-wait-online.service': '/dev/null',
  'etc/systemd/system/apt-daily.timer': '/dev/null',
  'etc/systemd/system/apt-daily-upgrade.timer': '/dev/null',
  'etc/systemd/system/dpkg-db-backup.timer': '/dev/null',
  'etc/systemd/system/e2scrub_all.timer': '/dev/null',
  'etc/systemd/system/fstrim.timer': '/dev/null',
  // The console is for the kernel's and systemd's messages.
  'etc/systemd/system/serial-getty@ttyS0.service': '/dev/null',
}

/** `publicKey` is that of whoever may log in as root. */
export function writeFiles(root: string, publicKey: string): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    symlinkSync(target, join(root, path))
  }
  mkdirSync(join(root, 'root/.ssh'), { recursive: true, mode: 0o700 })
  writeFileSync(join(root, 'root/.ssh/authorized_keys'), publicKey, { mode: 0o600 })
  chmodSync(join(root, 'root/.ssh'), 0o700)
}
