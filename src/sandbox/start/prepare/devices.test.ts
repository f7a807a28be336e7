import { expect, test } from 'bun:test'
import { HostDouble, type Step } from '../doubles/host.double.ts'
import { recordTimings } from '../timings.ts'
import { claimSandbox, requireStartable } from './claim.ts'
import { openDevices } from './devices.ts'

/** The stage alone, behind those that it needs something of. */
async function stage(double: HostDouble, before: (step: Step) => void = () => {}) {
  const request = double.request()
  const paths = requireStartable(request)
  const ledger = claimSandbox(double.host, request, paths)
  const { host } = double
  const { container, config, log, signal } = request
  const ids = { first: 1, count: 1 }
  const sharing = { config, paths, privateDir: '/', ids, container, modules: undefined, signal }
  const share = await host.startShare(ledger, sharing)
  const { id, namespace } = request
  const parts = {
    id,
    namespace,
    ledger,
    config,
    log,
    runDir: paths.runDir,
    stateDir: paths.stateDir,
    identity: { name: 'kata-7', uid: 7, gid: 7, groups: [] },
    signal,
  }
  const network = await host.createNetwork({ dns: [] }, parts)
  double.onStep = before
  const timings = recordTimings(signal)
  const opening = openDevices(host, ledger, { ...request, paths, network, uid: 7, share }, timings)
  return { opening, ledger, timings }
}

test('each device is open once, and disposing closes all of them, as often as it is called', async () => {
  using double = new HostDouble()
  const { opening, ledger, timings } = await stage(double)
  const devices = await opening
  expect(double.open).toBe(6)
  expect(Object.keys(devices.attached).sort()).toEqual(['netns', 'nics', 'share', 'tpm', 'vfio', 'vsock'])
  expect(ledger.held).toEqual(['share', 'network', 'nics', 'tpm', 'vfio'])
  expect(timings.steps.map(({ step }) => step)).toEqual(['network', 'tpm'])
  devices[Symbol.dispose]()
  expect(double.open).toBe(0)
  devices[Symbol.dispose]()
})

test.each(['nics', 'tpm', 'vsock', 'vfio', 'connect-share'] as const)(
  'a failure at %s closes those before it',
  async (failing) => {
    using double = new HostDouble()
    const { opening } = await stage(double, (step) => {
      if (step === failing) throw new Error(`no ${failing}`)
    })
    await expect(opening).rejects.toThrow(`no ${failing}`)
    expect(double.open).toBe(0)
  },
)

test('a start that was given up opens no more', async () => {
  using double = new HostDouble()
  const reason = new Error('given up')
  const { opening } = await stage(double, () => double.giveUp.abort(reason))
  await expect(opening).rejects.toBe(reason)
  expect(double.log).not.toContain('tpm')
  expect(double.open).toBe(0)
})
