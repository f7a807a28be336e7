/** The QEMU program: what it has to be made of, and where its firmware is. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ProgramCheck } from '../program.ts'
import { qemu } from './configuration/configuration.ts'

const neededDevices = ['vhost-user-fs-pci', 'virtio-serial-pci', 'virtserialport', 'pcie-root-port']
const neededObjects = ['memory-backend-memfd']

/** Whether it was built with all that machines are made of. */
export const qemuFeaturesCheck: ProgramCheck = {
  name: 'qemu-features',
  run: async (host, { path, accelerator }) => {
    if (!host.isExecutable(path)) return { ok: false, detail: `${path} is not an executable program` }
    const lists = await Promise.all([
      host.ask([path, '-device', 'help']),
      host.ask([path, '-machine', 'none', '-object', 'help']),
      host.ask([path, '-accel', 'help']),
    ])
    const known = new Set(lists.flatMap(({ text }) => text.match(/[a-z0-9][a-z0-9-]*/g) ?? []))
    const accelerators = accelerator === 'auto' ? qemu.accelerators : [accelerator]
    const missing = [...neededDevices, ...neededObjects, ...accelerators].filter((name) => !known.has(name))
    return missing.length === 0
      ? { ok: true, detail: 'all needed devices, memory backends and accelerators' }
      : { ok: false, detail: `${path} lacks ${missing.join(', ')}` }
  },
}

/** Firmware and option ROMs of a QEMU installed below some prefix, as distributions lay them out. */
export function firmwareDirs(program: string): string[] {
  const prefix = dirname(dirname(realpathSync(program)))
  return ['qemu', 'seabios'].map((name) => `${prefix}/share/${name}`).filter((path) => existsSync(path))
}
