/** Kernel modules of the guest image: flat in /lib/modules, with their load order in modules.list. */
import { loadModule } from 'syscalls'
import { precondition } from '../errors.ts'
import { errnoName, exists, readIfThere } from '../system/files.ts'

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
  if (order === undefined && isBuiltIn(name)) return
  if (order === undefined) throw precondition(`kernel module ${name} is not in the guest image`)
  for (const [index, module] of order.entries()) {
    const own = index === order.length - 1
    try {
      loadModule(`${directory}/${module}.ko`, own ? parameters.join(' ') : '')
    } catch (error) {
      if (errnoName(error) !== 'EEXIST') throw error
    }
  }
}

function isBuiltIn(name: string): boolean {
  return exists(`/sys/module/${name}`) || exists(`/sys/bus/virtio/drivers/${name}`)
}
