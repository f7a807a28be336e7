/** What tests and benchmarks are told of the lab host. */
import { spareDevices } from './machine/machine.ts'

/** How many times slower than hardware a guest of the lab host is, on a machine that does other things too. */
export const slowness = 12

const variables: Readonly<Record<string, string>> = {
  KATA_TS_E2E_ACCELERATOR: 'kvm',
  KATA_TS_E2E_SLOWNESS: String(slowness),
  KATA_TS_E2E_EXECUTABLE: '/usr/local/bin/kata-ts',
  KATA_TS_E2E_LAB: '1',
  KATA_TS_E2E_SPARE_DISKS: `${spareDevices.nvme},${spareDevices.virtio}`,
}

/** As a shell takes them before a command, with `more` of them. */
export const variablesForShell = (more: Readonly<Record<string, string>> = {}): string =>
  Object.entries({ ...variables, ...more })
    .map((pair) => pair.join('='))
    .join(' ')

/** For a shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
