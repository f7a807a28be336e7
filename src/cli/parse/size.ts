/** Sizes as people write them: `512M`, `1g`, `64k`, `1048576`. Units are powers of 1024, as docker reads them. */
import { readHostSize } from '../../config/validate.ts'
import { KataError } from '../../errors.ts'

/** The least that a container may be limited to, as with Docker: less does not start. MiB. */
const leastContainerMiB = 6
/** The least that `default_memory` may be, MiB. */
const leastMachineMiB = 128

const factors: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
}

/** Bytes of `text`. `option` names the option in the error. @throws KataError OPTION_INVALID. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:ib|b)?$/i.exec(text.trim())
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * factors[match[2]!.toLowerCase()]!)
  if (!Number.isSafeInteger(bytes) || bytes <= 0)
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: 'a size above zero such as 512M, 1g or 1048576',
    })
  return bytes
}

/** Bytes of `--memory`. @throws KataError OPTION_INVALID, with the least size for one that is too small. */
export function parseMemoryLimit(text: string): number {
  const bytes = parseSize(text, '--memory')
  if (bytes < leastContainerMiB * 2 ** 20)
    throw new KataError('OPTION_INVALID', {
      option: '--memory',
      value: text,
      allowed: `a size with its unit, from ${leastContainerMiB}M on`,
    })
  return bytes
}

/**
 * MiB of `--machine-memory`, rounded up: what the configuration takes, and no more than the host has.
 *
 * @throws KataError OPTION_INVALID.
 */
export function parseMachineMemory(text: string, mostMiB = readHostSize().memoryMiB): number {
  const mebibytes = Math.ceil(parseSize(text, '--machine-memory') / 2 ** 20)
  if (mebibytes < leastMachineMiB || mebibytes > mostMiB)
    throw new KataError('OPTION_INVALID', {
      option: '--machine-memory',
      value: text,
      allowed: `a size with its unit, from ${leastMachineMiB}M to ${mostMiB}M, as much as the host has`,
    })
  return mebibytes
}
