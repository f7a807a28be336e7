/** Whether a pod of a configuration could be a clone of a template, by what its start would look at; for a person. */
import type { Config } from '../../config/config.ts'
import { describeError, KataError } from '../../errors.ts'
import type { GuestAssets } from '../../vmm/host/assets.ts'
import type { TemplateFacts } from './template-facts.ts'
import { templateMachine, templateObstacle } from './template-machine.ts'

/** What is looked at besides the template. */
export interface Seen {
  readonly config: Config
  readonly bootId: string
  /** @throws KataError when the guest's files are not there. */
  resolveAssets(config: Config): GuestAssets
}

/**
 * `usable`, or what stands in the way: which part of the template is another one, where its facts tell that. A pod's annotations, and the
 * processors that containerd leaves to its shims, are not looked at.
 */
export async function usability(facts: TemplateFacts, seen: Seen): Promise<string> {
  try {
    return (await obstacleTo(facts, seen)) ?? 'usable'
  } catch (error) {
    return error instanceof KataError ? error.rawMessage : describeError(error)
  }
}

async function obstacleTo(
  facts: TemplateFacts,
  { config, bootId, resolveAssets }: Seen,
): Promise<string | undefined> {
  const { accelerator } = facts
  if (facts.bootId !== bootId) return 'another boot'
  if (facts.vmm !== config.hypervisor.path) return 'another VMM'
  const obstacle = templateObstacle(config)
  if (obstacle !== undefined) return `${obstacle} of the configuration allows none`
  // Under `auto` a pod takes the one that works, and so did the template. Whether that is so still, only a trial tells.
  if (![accelerator, 'auto'].includes(config.hypervisor.accelerator)) return 'another accelerator'
  const assets = resolveAssets(config)
  if (facts.kernel !== assets.kernel) return 'another kernel'
  if (facts.initrd !== (assets.initrd ?? '')) return 'another initrd'
  const machine = await templateMachine(config, assets, { accelerator, reason: '' })
  if (machine?.key === facts.key) return undefined
  const { vcpus, memoryMiB } = machine?.plan ?? facts
  if (facts.vcpus !== vcpus || facts.memoryMiB !== memoryMiB) return 'another size'
  return 'another configuration or processor, or VMM, kernel or initrd were replaced'
}
