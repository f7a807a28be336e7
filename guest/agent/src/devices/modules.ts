/**
 * Kernel modules of the guest image: those that booting needs are flat in /lib/modules, with their load order in modules.list;
 * the others are in the archive that the host shares.
 */
import { loadModule } from 'syscalls'
import { precondition } from '../errors.ts'
import { errnoName, exists, readIfThere } from '../system/files.ts'
import { loadFromArchive } from './module-archive.ts'

const directory = '/lib/modules'

/** `NAME: DEPENDENCY... NAME` lines, the order of loading. Kernel names use underscores. */
function loadOrder(list: string, name: string): string[] | undefined {
  const wanted = `${name.replaceAll('-', '_')}:`
  const line = list.split('\n').find((line) => line.startsWith(`${wanted} `))
  return line?.slice(wanted.length).trim().split(' ')
}

/**
 * Loads a module and what it needs; one that is loaded already, or a driver that the kernel has built in, is fine.
 *
 * @throws TtrpcError FAILED_PRECONDITION, SysError.
 */
export function loadModuleNamed(name: string, parameters: readonly string[] = []): void {
  const order = loadOrder(readIfThere(`${directory}/modules.list`) ?? '', name)
  if (order === undefined) {
    if (isBuiltIn(name) || loadFromArchive(name, parameters.join(' '))) return
    throw precondition(`kernel module ${name} is not in the guest image`)
  }
  for (const [index, module] of order.entries()) {
    const own = index === order.length - 1
    try {
      loadModule(`${directory}/${module}.ko`, own ? parameters.join(' ') : '')
    } catch (error) {
      if (errnoName(error) !== 'EEXIST') throw error
    }
  }
}

/** Whether it is one of those that booting needs, and so there before anything is mounted. */
export function isInInitrd(name: string): boolean {
  return loadOrder(readIfThere(`${directory}/modules.list`) ?? '', name) !== undefined
}

function isBuiltIn(name: string): boolean {
  return exists(`/sys/module/${name}`) || exists(`/sys/bus/virtio/drivers/${name}`)
}
