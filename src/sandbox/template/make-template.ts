/** Makes a template: boots a machine of a throw-away user, confined as every one is, and saves it once its agent answers. */
import { rmSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { bootId } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { sleep } from '../../time.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { bootGuest } from '../start/guest/boot-guest.ts'
import { type StartHost, thisHost } from '../start/host.ts'
import { connectToGuest, watchMachine } from '../start/machine/agent.ts'
import { makeVmm } from '../start/machine/machine.ts'
import { prepareBoot } from '../start/prepare/boot.ts'
import { claimOwner, claimSandbox, requireMachine } from '../start/prepare/claim.ts'
import { rollingBack } from '../start/rollback.ts'
import { recordTimings } from '../start/timings.ts'
import { clearFreeMemory } from './clear-memory.ts'
import { loadDrivers } from './load-drivers.ts'
import { saveTemplate } from './save-template.ts'
import { templateMachine, templateObstacle } from './template-machine.ts'
import { newTemplate, type Template } from './template-store.ts'

export interface TemplateRequest {
  readonly config: Config
  /** Usually `/run/kata-ts`. */
  readonly runDir: string
  readonly log: Logger
  /** Aborts the making. */
  readonly signal: AbortSignal
}

/** Where the machines stand while they are templates in the making. */
const namespace = 'template'
/** How long the guest may take to notice that its connection is gone, milliseconds. One that has not notices it as a clone. */
const noticeMs = 200

/**
 * Makes the template of the configuration anew. Nothing but its files is left, whether it could be made or not.
 *
 * @throws KataError TEMPLATE_UNUSABLE, TEMPLATE_DISK_FULL, and those of a sandbox's start up to its guest; the signal's reason.
 */
export async function makeTemplate(request: TemplateRequest, host: StartHost = thisHost): Promise<Template> {
  const { config, runDir, log, signal } = request
  const obstacle = templateObstacle(config)
  if (obstacle !== undefined)
    throw new KataError('TEMPLATE_UNUSABLE', { reason: `${obstacle} of the configuration allows none` })
  const id = crypto.randomUUID().slice(0, 8)
  const paths = requireMachine({ config, runDir, namespace, id })
  const ledger = claimSandbox(host, { log }, paths)
  const template = await rollingBack({ log, signal }, { ledger, paths }, () =>
    make(request, { id, paths, ledger }, host),
  )
  await ledger.releaseAll()
  rmSync(paths.stateDir, { recursive: true, force: true })
  return template
}

async function make(
  { config, log, signal }: TemplateRequest,
  { id, paths, ledger }: { readonly id: string; readonly paths: SandboxPaths; readonly ledger: Ledger },
  host: StartHost,
): Promise<Template> {
  const timings = recordTimings(signal)
  await claimOwner(host, ledger, log)
  const named = { id, namespace, config, paths, log, signal }
  await using boot = await prepareBoot(host, ledger, named, timings)
  const { assets, verified, accelerator } = boot
  const machine = await templateMachine(config, assets, accelerator)
  if (machine === undefined) throw new KataError('TEMPLATE_UNUSABLE', { reason: 'the VMM saves no machines' })
  const { key, plan, hasMemoryFile } = machine
  const user = await host.takeUser(ledger, named)
  const devices = { attached: { nics: [] } }
  const template = hasMemoryFile ? 'make-apart' : 'make'
  const parts = { id, config, paths, assets, plan, accelerator, user, devices, template } as const
  const vmm = await makeVmm(host, ledger, parts, named)
  try {
    const { ref: vmmProcess } = await vmm.start()
    const end = watchMachine({ id, config, vmm, vmmProcess, cgroups: unlimited, share: undefined, signal })
    const agent = await connectToGuest(host, vmm, { end, log, signal })
    await bootGuest({ verified, vmm, agent, end, accelerator }, named, timings)
    await end.during(loadDrivers(agent, config))
    await end.during(clearFreeMemory(agent))
    // A clone's guest waits for a connection of its own.
    end.tell('asked', true)
    agent.close()
    await sleep(noticeMs, signal)
    using made = newTemplate(config.factory.templatePath, key)
    await saveTemplate(vmm, made.saved, { templatePath: config.factory.templatePath, hasMemoryFile })
    return made.commit({
      key,
      madeAt: new Date().toISOString(),
      bootId: bootId(),
      vmm: config.hypervisor.path,
      kernel: assets.kernel,
      initrd: assets.initrd ?? '',
      accelerator: accelerator.accelerator,
      vcpus: plan.vcpus,
      memoryMiB: plan.memoryMiB,
    })
  } finally {
    await vmm.stop()
  }
}

/** It is in the cgroup of the process that makes it. */
const unlimited = { outOfMemory: () => undefined }
