/** Whether a sandbox's machine can be a clone of a template, where the configuration asks for that. A start that is not one says why. */

import { warnClient } from '../../../bundle/warnings.ts'
import type { Config } from '../../../config/config.ts'
import { describeError, KataError } from '../../../errors.ts'
import { isEqual } from '../../../json/is-equal.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import type { MachinePlan } from '../../size/sizing.ts'
import { type TemplateMachine, templateMachine, templateObstacle } from '../../template/template-machine.ts'
import type { Template } from '../../template/template-store.ts'
import type { StartHost } from '../host.ts'
import type { SandboxRequest } from '../request.ts'

export interface CloneRequest {
  readonly config: Config
  readonly assets: GuestAssets
  readonly accelerator: AcceleratorChoice
  /** The machine that a cold start would boot. */
  readonly plan: MachinePlan
}

export interface Clone {
  readonly template: Template
  /** The template's machine: it grows to what its containers need. */
  readonly plan: MachinePlan
}

/**
 * Undefined when the configuration asks for no clones.
 *
 * @throws KataError TEMPLATE_UNUSABLE; VMM_OPTION_INVALID.
 */
export async function findClone(
  { findTemplate }: Pick<StartHost, 'findTemplate'>,
  { config, assets, accelerator, plan }: CloneRequest,
): Promise<Clone | undefined> {
  if (!config.factory.enableTemplate) return undefined
  const obstacle = templateObstacle(config)
  if (obstacle !== undefined) throw unusable(`${obstacle} of the configuration allows none`)
  const machine = await templateMachine(config, assets, accelerator)
  if (machine === undefined) throw unusable('the VMM saves no machines')
  if (!canGrow(config, machine, plan)) throw unusable('the pod needs a larger machine, which cannot grow')
  try {
    const template = findTemplate(config.factory.templatePath, machine.key)
    if (template !== undefined) return { template, plan: machine.plan }
  } catch (error) {
    throw unusable(describeError(error), error)
  }
  throw unusable(
    'there is none for this kernel, VMM, processor and configuration since the last boot of the host',
  )
}

/** Whether a clone can come to have the size `to`. */
function canGrow({ runtime }: Config, { plan, mostMemoryMiB }: TemplateMachine, to: MachinePlan): boolean {
  if (runtime.staticSandboxResourceMgmt) return isEqual(plan, to)
  return to.memoryMiB <= mostMemoryMiB
}

const unusable = (reason: string, cause?: unknown) =>
  new KataError('TEMPLATE_UNUSABLE', { reason }, { cause })

/** `step` of a clone's start. What it fails by says that it was one, unless the start was given up. @throws KataError TEMPLATE_UNUSABLE; the signal's reason. */
export async function asClone<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (signal.aborted) throw error
    throw unusable(describeError(error), error)
  }
}

/** Starts as a clone where that is asked for; where it is not possible, the machine boots, and the client is told why. */
export async function cloneOrBoot<T>(
  { config, container, log, signal }: Pick<SandboxRequest, 'config' | 'container' | 'log' | 'signal'>,
  start: (way: 'clone' | 'boot') => Promise<T>,
): Promise<T> {
  if (!config.factory.enableTemplate) return start('boot')
  try {
    return await start('clone')
  } catch (error) {
    if (signal.aborted || !(error instanceof KataError && error.code === 'TEMPLATE_UNUSABLE')) throw error
    warnClient(container.bundle, describeError(error), log)
    return start('boot')
  }
}
