/** All that a machine must have in common with one that was saved to go on from there. */
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { release } from 'node:os'
import type { Config } from '../../config/config.ts'
import type { FileDigest } from '../../linux/files/sparse-file.ts'
import { templateShape } from '../../vmm/create.ts'
import { cardQueues } from '../network/card-queues.ts'
import type { MadeMachine } from '../sandbox-parts.ts'
import { describeGuest } from '../start/machine/machine.ts'
import { digestAt } from './named-copy.ts'

/** Raised when machines that earlier versions have saved are of no use to this one. */
const version = 3

/**
 * 64 hexadecimal digits; undefined for a VMM that saves no machines. A saved machine outlives the boot of its host: a file counts by its bytes,
 * as device numbers, and times of attributes alone, are others after a boot, a relabel or a restored backup.
 *
 * @throws KataError VMM_OPTION_INVALID; errors of the system; the signal's reason.
 */
export async function machineKey(
  config: Config,
  { assets, accelerator, plan }: Pick<MadeMachine, 'assets' | 'accelerator' | 'plan'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const shape = await templateShape(
    describeGuest({ id: 'checkpoint', config, assets, plan, accelerator }),
    config,
  )
  if (shape === undefined) return undefined
  const host = accelerator.accelerator === 'kvm' ? `${release()} ${processor()}` : 'emulated'
  const files: unknown[] = []
  for (const path of shape.files) files.push(await contentOf(path, signal))
  // The shape has no cards, and QEMU loads none that has other queues. For one queue, the keys of earlier versions stay valid.
  const queues = cardQueues(config.hypervisor)
  const parts = { version, host, args: shape.args, files, ...(queues > 1 && { queues }) }
  return new Bun.CryptoHasher('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** The digest of a file; of a directory, as of firmware, those of the files in it and below it, by name. */
async function contentOf(path: string, signal: AbortSignal): Promise<unknown> {
  if (!statSync(path).isDirectory()) return fileDigest(path, signal)
  const content: unknown[] = []
  // Links lead from package to package, and some to one that is not installed.
  const isThere = (name: string) => statSync(`${path}/${name}`, { throwIfNoEntry: false })?.isFile() === true
  for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) content.push([entry.name, await contentOf(`${path}/${entry.name}`, signal)])
    else if (isThere(entry.name))
      content.push([entry.name, await fileDigest(`${path}/${entry.name}`, signal)])
  }
  return content
}

async function fileDigest(path: string, signal: AbortSignal): Promise<FileDigest> {
  const fd = openSync(path, 'r')
  try {
    return await digestAt({ fd, path }, signal)
  } finally {
    closeSync(fd)
  }
}

/** The host's processor, which a guest under KVM has seen: model, microcode and features. */
function processor(): string {
  const [first = ''] = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')
  return first
    .split('\n')
    .filter((line) => /^(vendor_id|cpu family|model|stepping|microcode|flags)\b/.test(line))
    .join('\n')
}
