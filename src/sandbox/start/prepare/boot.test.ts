import { expect, test } from 'bun:test'
import { sandboxPaths } from '../../records/paths.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { recordTimings } from '../timings.ts'
import { prepareBoot } from './boot.ts'

/** Prepares the boot with a host whose verification takes until it is left. */
function prepared(double: HostDouble) {
  const request = double.request()
  const paths = sandboxPaths(request.runDir, request.namespace, request.id)
  const timings = recordTimings(request.signal)
  const ledger = double.host.openLedger(paths, request.log)
  const left = Promise.withResolvers<void>()
  const onStep = double.onStep
  double.onStep = (step, leaving) => {
    if (step !== 'verify') return onStep(step)
    leaving!.addEventListener('abort', () => left.resolve())
    return left.promise
  }
  return { timings, boot: prepareBoot(double.host, ledger, { ...request, paths }, timings) }
}

test('the accelerator is chosen beside the verification, which leaving the scope ends', async () => {
  using double = new HostDouble()
  const { timings, boot } = prepared(double)
  {
    await using ready = await boot
    expect(ready).toMatchObject({ assets: { kernel: '/kernel' }, accelerator: { accelerator: 'kvm' } })
    expect(timings.steps.map(({ step }) => step)).toEqual(['accelerator'])
  }
  expect(double.log).toEqual(['assets', 'verify', 'accelerator'])
  expect(timings.steps.map(({ step }) => step)).toEqual(['accelerator', 'verify image'])
})

test('a verification does not outlive a choice that fails', async () => {
  using double = new HostDouble()
  double.onStep = (step) => {
    if (step === 'accelerator') throw new Error('no KVM')
  }
  const { timings, boot } = prepared(double)
  await expect(boot).rejects.toThrow('no KVM')
  expect(timings.steps.map(({ step }) => step)).toEqual(['accelerator', 'verify image'])
})
