import { expect, test } from 'bun:test'
import type { OciSpec } from '../../oci/spec.ts'
import { guardWritable } from '../../sharing/pod-share.ts'
import { wantsVolumes } from './wants-volumes.ts'

const kubelet = '/var/lib/kubelet'
const mounts = (...options: string[]): OciSpec => ({
  mounts: [{ destination: '/x', type: 'bind', source: '/usr', options }],
})

test.each<[string, OciSpec, boolean]>([
  ['nothing mounted', {}, false],
  ['a volume that is only read', mounts('rbind', 'ro'), false],
  ['a volume that is written', mounts('rbind'), true],
  ['the guest’s own kernel', { mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }] }, false],
  [
    'a pod, of whose containers nothing is known',
    { annotations: { 'io.kubernetes.cri.container-type': 'sandbox' } },
    true,
  ],
])('%s', (_, spec, wanted) => {
  expect(wantsVolumes({ spec, id: 'c' }, guardWritable([], kubelet))).toBe(wanted)
})

test('a volume on which such files are allowed needs none', () => {
  expect(wantsVolumes({ spec: mounts('rbind'), id: 'c' }, guardWritable(['/usr'], kubelet))).toBe(false)
})

test('where the first share refuses already there is none, a pod’s included', () => {
  const spec = { annotations: { 'io.kubernetes.cri.container-type': 'sandbox' } }
  expect(wantsVolumes({ spec, id: 'c' }, undefined)).toBe(false)
})

test('a source that is not there is left to the mounting, which names it', () => {
  const spec = { mounts: [{ destination: '/x', type: 'bind', source: '/none/such', options: ['rbind'] }] }
  expect(wantsVolumes({ spec, id: 'c' }, guardWritable(['/srv'], kubelet))).toBe(false)
})
