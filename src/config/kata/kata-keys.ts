/**
 * Every key of Kata Containers 4.1 (its Go and its Rust runtime) that kata-ts does not implement, and what becomes of it:
 * one table for files, annotations and docs/configuration.md. Source: Kata's configuration templates and documents.
 *
 * A function builds it, as it builds the other large tables: only a start needs them, and what a module holds stays in the memory of every
 * shim for as long as its pod runs.
 */
import type { TableName } from '../key-spec.ts'
import type { KataKey, KataTable } from './kata-key.ts'
import { hypervisorKeys } from './keys/hypervisor.ts'
import { otherKeys } from './keys/others.ts'
import { protectionKeys } from './keys/protections.ts'

export const kataKeys = (): readonly KataKey[] => [...protectionKeys(), ...hypervisorKeys(), ...otherKeys()]

export const findKataKey = (kata: readonly KataKey[], table: KataTable, key: string): KataKey | undefined =>
  kata.find((one) => one.table === table && one.key === key)

/** By its name after the prefix; a few differ from the key's. */
export const findKataAnnotation = (
  kata: readonly KataKey[],
  table: TableName,
  name: string,
): KataKey | undefined => kata.find((one) => one.table === table && one.annotation === name)

export const kataKeyNames = (kata: readonly KataKey[], table: KataTable): string[] =>
  kata.filter((one) => one.table === table).map(({ key }) => key)

/** Tables inside of tables, and the keys that they hold. */
export const innerTables: Readonly<Record<KataTable, Readonly<Record<string, 'factory' | 'mem_agent'>>>> = {
  hypervisor: { factory: 'factory' },
  'agent.kata': { mem_agent: 'mem_agent' },
  runtime: {},
  factory: {},
  mem_agent: {},
  image: {},
}

/** Keys that one of Kata's runtimes has in another table. */
export const movedKeys: Readonly<Record<string, readonly [TableName, string]>> = {
  'agent.kata.create_container_timeout': ['runtime', 'create_container_timeout'],
}

/** Keys with an empty text that Kata reads as none. Where it means off, as for `jailer_path`, it is a value. */
export const unsetByEmpty: readonly string[] = [
  ...['path', 'machine_type', 'rootfs_type', 'entropy_source', 'template_path'],
  ...['block_device_driver', 'block_device_aio', 'hot_plug_vfio', 'cold_plug_vfio', 'internetworking_model'],
  ...['shared_fs', 'virtio_fs_daemon', 'virtio_fs_cache'],
]

/**
 * Keys with a 0 that means none in a file of Kata's. Without root ports Kata plugs devices into its bridges (`default_bridges`); kata-ts has
 * no other place for them.
 */
export const unsetByZero: readonly string[] = ['memory_slots', 'pcie_root_port']

/** Why a value of a key that kata-ts does implement asks for a protection that is not there. */
export function refusedValue(key: string, value: unknown): string | undefined {
  return key === 'emptydir_mode' && value === 'block-encrypted'
    ? 'encrypted emptyDir volumes are not supported'
    : undefined
}
