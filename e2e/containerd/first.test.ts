// test:vmm: every VMM
/** The thinnest way through each front door, kata-ts beside runc; then nothing is left of either. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { Containerd } from './containerd.ts'
import { busyboxImage } from './images.ts'

let before: HostState
let containerd: Containerd
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
})
afterAll(() => containerd.close())

const hostKernel = Bun.spawnSync(['uname', '-r']).stdout.toString()

test('ctr run: runc shares the kernel of the host, kata-ts brings its own', async () => {
  const kernelUnder = async (runtime: string) => {
    const run = ['run', '--rm', '--runtime', runtime, busyboxImage, 'one', 'uname', '-r']
    const { code, stdout, stderr } = await containerd.ctr(run)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  expect(await kernelUnder('io.containerd.runc.v2')).toBe(hostKernel)
  expect(await kernelUnder('io.containerd.kata-ts.v2')).not.toBe(hostKernel)
})

test.each(['runc', 'kata-ts'])('a pod under %s: container, ExecSync, and its end', async (handler) => {
  const pod = await containerd.cri.runPod({ handler })
  expect(await pod.address()).toMatch(/^10\.89\.7\.\d+$/)
  const id = await pod.start(['sh', '-c', 'exec sleep 1000'])
  const { stdout, stderr, exitCode } = await pod.exec(id, [
    'sh',
    '-c',
    'uname -r; hostname; echo no >&2; exit 3',
  ])
  expect({ stderr, exitCode }).toEqual({ stderr: 'no\n', exitCode: 3 })
  const [kernel, hostname] = stdout.split('\n')
  expect(hostname).toBe(pod.config.hostname)
  expect(`${kernel}\n` === hostKernel).toBe(handler === 'runc')
  await pod.remove()
})

test('nothing is left once containerd is closed', async () => {
  await containerd.close()
  await expectNothingLeft(before, defaultRunDir)
})
