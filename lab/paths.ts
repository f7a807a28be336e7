/** Where the lab host's parts lie. All of them go with `npm run lab -- remove`. */
import { join } from 'node:path'

/** Root's alone: the key to the lab host is in it. */
export const labDir = '/var/cache/kata-ts/lab'

const within = (name: string) => join(labDir, name)

export const paths = {
  /** The lab host's files, while its disk is made of them. */
  root: within('root'),
  /** Modules of the kernel that were built with IOMMUFD. */
  modules: within('modules'),
  /** The disk as it was built. A lab host runs from a copy of it, which lasts until it is removed. */
  disk: within('disk.ext4'),
  copy: within('layer.ext4'),
  kernel: within('vmlinuz'),
  initrd: within('initrd'),
  /** Kernels of older releases that the copy of the disk has the modules of, a directory each. */
  kernels: within('kernels'),
  /** The older release whose kernel the lab host was booted with; absent for its own. */
  release: within('release'),
  /** What is carried into the running lab host, as a tar archive on a disk. */
  parcel: within('parcel.tar'),
  /** Disks behind the two PCI devices that are there to be passed to guests. */
  spareNvme: within('spare-nvme.img'),
  spareVirtio: within('spare-virtio.img'),
  /** A disk of the lab host's own, for guests to have as a block device. */
  spareDisk: within('spare-disk.img'),
  key: within('ssh-key'),
  knownHosts: within('known-hosts'),
  /** The QEMU of the lab host that runs, or ran. */
  process: within('process.json'),
  port: within('port'),
  qmp: within('qmp.sock'),
  console: within('console.log'),
  vmmLog: within('qemu.log'),
  /** What QEMU logs when a processor of the lab host is reset. */
  resets: within('cpu-resets.log'),
  stamps: within('stamps'),
  lock: within('lock'),
} as const
