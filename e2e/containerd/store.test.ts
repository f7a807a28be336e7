/** Images of containerd's store, which kata-ts takes into its own and runs. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync } from 'node:fs'
import { Kata } from '../harness/kata.ts'
import { Containerd } from './containerd.ts'
import { busyboxImage } from './images.ts'

let containerd: Containerd
let kata: Kata
beforeAll(async () => {
  containerd = await Containerd.start()
  // As /run/containerd: whoever is of the socket's group gets to it.
  chmodSync(containerd.files.state, 0o711)
  kata = new Kata()
})
afterAll(async () => {
  await kata?.close()
  await containerd?.close()
})

test('an image of a namespace is pulled under its own name, and runs by both', async () => {
  const env = { CONTAINERD_ADDRESS: containerd.files.socket }
  const source = `containerd:k8s.io/${busyboxImage}`
  const missing = await kata.call(['pull', '--quiet', `containerd:no-such/${busyboxImage}`], { env })
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('[CONTAINERD_UNREADABLE]') })
  expect(await kata.call(['pull', '--quiet', source], { env })).toEqual({
    code: 0,
    stdout: `${busyboxImage}\n`,
    stderr: '',
  })
  for (const name of [source, busyboxImage])
    expect(await kata.call(['run', '--rm', '--pull', 'never', name, 'sh', '-c', 'cat /etc/group'])).toEqual({
      code: 0,
      stdout: 'root:x:0:\nweb:x:1000:\n',
      stderr: '',
    })
})
