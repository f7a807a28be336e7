/** Network cards that come and go while the machine runs. */
import { KataError } from '../../../errors.ts'
import type { NicAttachment } from '../../vmm.ts'
import { nicDescriptors, nicHalves } from '../settings/nic.ts'
import { type RootPorts, rootPort } from '../settings/root-ports.ts'
import type { Unplugs } from './unplug.ts'

type Execute = (command: string, args: object, fds?: readonly number[]) => Promise<unknown>

/** Each card is on a root port of its own. */
export class HotNics {
  readonly #execute: Execute
  readonly #ports: RootPorts
  readonly #unplugs: Unplugs
  readonly #portOf = new Map<string, number>()

  constructor(execute: Execute, ports: RootPorts, unplugs: Unplugs) {
    this.#execute = execute
    this.#ports = ports
    this.#unplugs = unplugs
  }

  /** @throws KataError VMM_NO_FREE_PORT, VMM_COMMAND_FAILED; nothing of the card is left then. */
  async plug(nic: NicAttachment): Promise<void> {
    const { netdev, device } = nicHalves(nic, (role) => role)
    const port = this.#ports.take(`network card ${nic.id}`)
    try {
      for (const [fdname, fd] of nicDescriptors(nic)) await this.#execute('getfd', { fdname }, [fd])
      await this.#execute('netdev_add', netdev)
      await this.#execute('device_add', { ...device, bus: rootPort(port) })
      this.#portOf.set(nic.id, port)
    } catch (error) {
      for (const [fdname] of nicDescriptors(nic)) await this.#execute('closefd', { fdname }).catch(() => {})
      await this.#execute('netdev_del', { id: nic.id }).catch(() => {})
      this.#ports.free(port)
      throw error
    }
  }

  /** @throws KataError VMM_UNPLUG_REFUSED; VMM_OPTION_INVALID for a card that was there at boot. */
  async unplug(id: string): Promise<void> {
    const port = this.#portOf.get(id)
    if (port === undefined)
      throw new KataError('VMM_OPTION_INVALID', { reason: `no card ${id} was plugged in` })
    await this.#unplugs.remove(id, `network card ${id}`)
    await this.#execute('netdev_del', { id })
    this.#portOf.delete(id)
    this.#ports.free(port)
  }
}
