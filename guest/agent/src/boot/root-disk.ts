/**
 * A guest whose root is a disk: the kernel has the disk's driver as a module only, so that the initial RAM file system
 * comes first. There the agent loads the driver, makes the disk the root and gives way to the disk's own /sbin/init.
 */
import { chdir } from 'os'
import { chroot, execute, mount, readFile, umount } from 'syscalls'
import { loadModuleNamed } from '../devices/modules.ts'
import { describe } from '../errors.ts'
import { kernelCommandLine } from '../machine.ts'
import { type AgentOptions, agentOptions, type RootDisk, rootType } from '../system/command-line.ts'
import { errnoName, exists, list, makeDirectories, removeTree } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { mountFlags } from './flags.ts'

/** How long the disk may take to appear once its driver is there. */
const diskMilliseconds = 3000
const newRoot = '/mnt'
/** What the kernel gives to a first process (init/main.c). */
const initEnvironment = ['HOME=/', 'TERM=linux']

export interface FirstLook {
  /** The initial RAM file system; false on a disk. */
  readonly inInitramfs: boolean
  /** Where to go from there. */
  readonly disk: RootDisk | undefined
  readonly options: AgentOptions
}

/**
 * Where the agent finds itself. The disk's own agent reads the same command line; that it is on the disk already is told
 * by its root. Leaves nothing mounted.
 */
export function lookAround(): FirstLook {
  makeDirectories('/proc')
  mount('proc', '/proc', 'proc', 0, '')
  const inInitramfs = rootType(readFile('/proc/mounts')) === 'rootfs'
  const options = agentOptions(kernelCommandLine())
  const disk = inInitramfs ? options.rootDisk : undefined
  umount('/proc', 0)
  return { inInitramfs, disk, options }
}

/** Ends in the disk's /sbin/init. @throws Error telling which step failed: the kernel then panics. */
export async function enterDisk({ device, fsType }: RootDisk): Promise<never> {
  makeDirectories('/dev')
  mount('devtmpfs', '/dev', 'devtmpfs', mountFlags.noSuid, 'mode=0755')
  if (!exists(device)) loadModuleNamed('virtio_blk')
  const source = await fileSystemOn(device)
  makeDirectories(newRoot)
  mountRoot(source, fsType)
  // Gives the memory back; this program itself stays in use until the other one replaces it.
  for (const name of list('/')) if (`/${name}` !== newRoot) removeTree(`/${name}`)
  chdir(newRoot)
  mount('.', '/', '', mountFlags.move, '')
  chroot('.')
  chdir('/')
  try {
    return execute('/sbin/init', ['/sbin/init'], initEnvironment)
  } catch (error) {
    const reason = errnoName(error) ?? describe(error)
    throw new Error(
      `the disk image (${fsType} on ${source}) has no /sbin/init that can be started: ${reason}`,
    )
  }
}

/** The first partition if the kernel found any, else the whole disk. */
async function fileSystemOn(device: string): Promise<string> {
  for (let waited = 0; !exists(device); waited += 5) {
    if (waited >= diskMilliseconds)
      throw new Error(`no disk ${device} appeared within ${diskMilliseconds} ms`)
    await sleep(5)
  }
  const partition = `${device}1`
  return exists(partition) ? partition : device
}

/** A file system that the kernel does not know may be there as a module. */
function mountRoot(source: string, fsType: string): void {
  const attempt = () => mount(source, newRoot, fsType, mountFlags.readOnly, '')
  try {
    try {
      attempt()
    } catch (error) {
      if (errnoName(error) !== 'ENODEV') throw error
      loadModuleNamed(fsType)
      attempt()
    }
  } catch (cause) {
    throw new Error(`the disk image cannot be mounted (${fsType} on ${source})`, { cause })
  }
}
