/**
 * A container that is made, run and removed before there is a pod. Under emulation the guest's first container takes three times as long as
 * any other, as neither crun nor the kernel's part in it has been translated yet.
 */
import type { CreateContainerRequest } from '../../../../src/protocol/generated/agent.ts'
import { internal, invalid } from '../errors.ts'
import { makeDirectories, removeTree } from '../system/files.ts'
import { Container } from './container.ts'
import type { ContainerTools } from './container-tools.ts'

const id = 'warm-up'
const root = '/run/warm-up'
/** The image has no program for containers. The loader of crun's libraries runs alone, and says its version. */
const libraries = { source: '/usr/lib/x86_64-linux-gnu', destination: '/lib' }
const args = ['/lib/ld-linux-x86-64.so.2', '--version']
const mostRead = 4096

/** Nothing of it is left, whether it comes to its end or not. @throws TtrpcError with crun's words; INTERNAL for another end than its own. */
export async function warmUp(request: CreateContainerRequest, tools: ContainerTools): Promise<void> {
  const { oci } = request
  if (oci?.process === undefined) throw invalid('the OCI spec lacks a process')
  const mounts = [...oci.mounts, { ...libraries, type: 'bind', options: ['rbind', 'ro'] }]
  const spec = { ...oci, root: { path: root, readonly: false }, mounts, process: { ...oci.process, args } }
  makeDirectories(root, 0o700)
  try {
    await run({ ...request, containerId: id, oci: spec }, tools)
  } finally {
    removeTree(root)
  }
}

async function run(request: CreateContainerRequest, tools: ContainerTools): Promise<void> {
  const container = await Container.create(request, {}, tools)
  try {
    container.start()
    const said = await container.init.stdio.stdout.read(mostRead, { onCancel: () => {} })
    const code = await container.wait('')
    if (code !== 0 || !('length' in said) || said.length === 0)
      throw internal(`the container of the warm-up ended with ${code}`)
  } finally {
    await container.remove()
  }
}
