/**
 * What the host asks of every configuration that a test writes: the accelerator that KATA_TS_E2E_ACCELERATOR names, and
 * longer limits on a host that KATA_TS_E2E_SLOWNESS calls slow.
 */
import { slowness } from './time.ts'

const accelerators = ['kvm', 'tcg'] as const
export type Accelerator = (typeof accelerators)[number]

const asked = process.env.KATA_TS_E2E_ACCELERATOR
/** Undefined where kata-ts is to choose. */
export const askedAccelerator = accelerators.find((known) => known === asked)
if (asked !== undefined && askedAccelerator === undefined)
  throw new Error(`KATA_TS_E2E_ACCELERATOR is ${asked}; known are: ${accelerators.join(', ')}`)

/** Whether kata-ts's own defaults do not serve here. */
export const needsConfiguration = askedAccelerator !== undefined || slowness > 1

/** Seconds, as src/config/keys/ has them. */
const defaults = { dialTimeout: 45, createContainerTimeout: 60 }
const longer = (seconds: string | undefined, standard: number): string =>
  `${Math.ceil(Number(seconds ?? standard) * slowness)}`

/**
 * A guest that has said nothing for as long, seconds, never will: eight at once come up in two thirds of it under an emulated KVM. One
 * that hangs there for no reason found is tried once more, and the sooner that is known, the better.
 */
const longestSilence = 300
const longerSilence = (seconds: string | undefined): string => {
  const wanted = Number(seconds ?? defaults.dialTimeout)
  return `${Math.max(wanted, Math.min(Number(longer(seconds, wanted)), longestSilence))}`
}

/**
 * The text of a configuration.toml with that. An accelerator that the test named itself stands; one that says nothing means
 * `auto`, since the tests run with and without KVM.
 */
export function configuration(text: string): string {
  let result = text
  if (hasTable(text, 'hypervisor.qemu'))
    result = setKey(result, 'hypervisor.qemu', 'accelerator', (was = '"auto"') =>
      was === '"auto"' ? `"${askedAccelerator ?? 'auto'}"` : was,
    )
  if (slowness === 1) return result
  result = setKey(result, 'agent.kata', 'dial_timeout', longerSilence)
  return setKey(result, 'runtime', 'create_container_timeout', (was) =>
    longer(was, defaults.createContainerTimeout),
  )
}

const hasTable = (text: string, table: string): boolean => text.split('\n').includes(`[${table}]`)

/** Gives a key another value; one that was not there comes last in its table, so that line numbers above it stay. */
function setKey(text: string, table: string, key: string, value: (was?: string) => string): string {
  const lines = text.split('\n')
  const header = lines.indexOf(`[${table}]`)
  if (header === -1) return `${text.replace(/\n*$/, '\n')}[${table}]\n${key} = ${value()}\n`
  const next = lines.findIndex((line, index) => index > header && line.startsWith('['))
  const end = next === -1 ? lines.length : next
  const at = lines.findIndex((line, index) => index > header && index < end && line.startsWith(`${key} = `))
  if (at !== -1) lines[at] = `${key} = ${value(lines[at]!.slice(key.length + 3))}`
  else {
    let last = end - 1
    while (last > header && lines[last]!.trim() === '') last -= 1
    lines.splice(last + 1, 0, `${key} = ${value()}`)
  }
  return lines.join('\n')
}
