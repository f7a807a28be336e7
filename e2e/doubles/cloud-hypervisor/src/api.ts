/** From requests to what they ask of the VMM, one after the other as in the real program, and to answers. */
import type { Request, Response } from '../../common/src/http.ts'
import { complaint, type Schema } from '../../common/src/validate.ts'
import { answerTo, badRequest, notFound, notJson } from './refused.ts'
import { schema as described, types } from './schema.ts'
import type { DiskConfig, FsConfig, NetConfig, VmConfig } from './vm-config.ts'
import type { Resize, ResizeDisk, Vmm } from './vmm.ts'

/** As the real program reads it: unlike its description, it wants no payload, and ignores what it does not know. */
const schema: Schema = {
  ...described,
  types: { ...types, VmConfig: { ...types.VmConfig, payload: 'PayloadConfig' } },
  ignoresUnknown: true,
}

type Handler = (vmm: Vmm, request: Request) => Promise<unknown> | unknown

/** Each by its method and name. */
const requests: Readonly<Record<string, Handler>> = {
  'GET vmm.ping': (vmm) => vmm.ping(),
  'PUT vmm.shutdown': (vmm) => vmm.shutDown(),
  'PUT vm.create': (vmm, { body }) => vmm.create(parse<Partial<VmConfig>>(body, 'VmConfig')),
  'PUT vm.delete': (vmm) => vmm.delete(),
  'PUT vm.boot': (vmm) => vmm.boot(),
  'GET vm.info': (vmm) => vmm.info(),
  'GET vm.counters': (vmm) => vmm.counters(),
  'PUT vm.pause': (vmm) => vmm.pause(),
  'PUT vm.resume': (vmm) => vmm.resume(),
  'PUT vm.shutdown': (vmm) => vmm.stopMachine(),
  'PUT vm.resize': (vmm, { body }) => vmm.resize(parse<Resize>(body, 'VmResize')),
  'PUT vm.resize-disk': (vmm, { body }) => vmm.resizeDisk(parse<ResizeDisk>(body, 'VmResizeDisk')),
  'PUT vm.add-net': (vmm, { body, fds }) => vmm.addNet(parseNet(body), fds),
  'PUT vm.add-disk': (vmm, { body }) => vmm.addDisk(parse<DiskConfig>(body, 'DiskConfig')),
  'PUT vm.add-fs': (vmm, { body }) => vmm.addFs(parse<FsConfig>(body, 'FsConfig')),
  'PUT vm.remove-device': (vmm, { body }) =>
    vmm.removeDevice(parse<{ id?: string }>(body, 'VmRemoveDevice').id ?? ''),
}
const commands = new Set(Object.keys(requests).map((request) => request.split(' ')[1]))

export async function handle(vmm: Vmm, say: (text: string) => void, request: Request): Promise<Response> {
  const { method, command, fds } = request
  try {
    if (!commands.has(command)) throw notFound()
    const handler = requests[`${method} ${command}`]
    if (handler === undefined) throw badRequest()
    if (fds.length > 0 && command !== 'vm.add-net')
      throw new Error('the double takes descriptors with vm.add-net only')
    const body = await vmm.inTurn(() => handler(vmm, request))
    return body === undefined && command !== 'vmm.shutdown' ? { status: 204 } : { status: 200, body }
  } catch (error) {
    say(`<vmm> ERROR: ${command}: ${(error as Error).message}`)
    return answerTo(command, error as Error)
  }
}

function parse<T>(body: string, type: string): T {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    throw notJson((error as Error).message)
  }
  const reason = complaint(schema, value, type)
  if (reason !== undefined) throw notJson(reason)
  return value as T
}

function parseNet(body: string): NetConfig {
  const config = parse<NetConfig>(body, 'NetConfig')
  if (config.mac !== undefined && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(config.mac))
    throw notJson(`The provided MAC address is invalid: parsing of ${config.mac} into a MAC address failed`)
  return config
}
