/** A task that goes on with a saved machine. Only root's files count as saved, so this runs as root. */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { loadConfig } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import { SavedPod } from '../../sandbox/checkpoint/saved-pod.double.ts'
import { optionsTypeUrl } from '../bootstrap.ts'
import { createSandboxForTask } from './create-sandbox.ts'

const configurationText = `
[hypervisor.qemu]
path = "/bin/sh"
valid_hypervisor_paths = ["/bin/sh"]
shared_fs = "none"
default_memory = 256
`

test('a task with a checkpoint goes on with the machine that was saved, on the host that it is given', async () => {
  using double = new SavedPod()
  const file = `${double.directory}/configuration.toml`
  writeFileSync(file, configurationText)
  await double.save(loadConfig({ file, env: {}, log: silentLogger }))
  const { id, namespace, runDir, signal, log, ...pod } = double.pod()
  const container = { ...pod.container, spec: { linux: { namespaces: [{ type: 'network' }] } } }
  const { bundle } = container
  const value = Options.encode(Options.fromPartial({ configPath: file })).finish()
  const request = CreateTaskRequest.fromPartial({
    id,
    bundle,
    checkpoint: double.saved,
    options: { typeUrl: optionsTypeUrl, value },
  })
  const flags = {
    action: 'serve',
    address: '',
    publishBinary: '',
    debug: false,
    bundle,
    id,
    namespace,
    runDir,
  } as const
  const machines: string[] = []
  const takeMachine = () => void machines.push('asked for')
  const sandbox = await createSandboxForTask(
    { flags, runDir, request, container, log, detailedLog: log, signal, takeMachine },
    double.withKernel,
  )
  expect(double.made!.spec).toMatchObject({ resumed: { state: `${double.saved}/state` } })
  expect(double.log).toContain('boot')
  // One that waited would be released.
  expect(machines).toEqual(['asked for'])
  await sandbox.stop()
})
