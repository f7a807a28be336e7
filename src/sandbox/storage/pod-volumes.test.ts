import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { podVolumes } from './pod-volumes.ts'

const uid = '3b9f5c3e-7b0a-4f0e-9a5c-0f2f7a1c9d11'

test('volumes of the pod that the annotations name, and of no other', () => {
  const kubelet = mkdtempSync(`${tmpdir()}/kubelet-`)
  try {
    const volumes = `${kubelet}/pods/${uid}/volumes`
    mkdirSync(`${volumes}/kubernetes.io~nfs/data`, { recursive: true })
    mkdirSync(`${volumes}/kubernetes.io~csi/pv/mount`, { recursive: true })
    writeFileSync(`${kubelet}/pods/stray`, '')
    const named = (annotations: Record<string, string>) => podVolumes({ annotations }, kubelet).sort()
    const all = [`${volumes}/kubernetes.io~csi/pv`, `${volumes}/kubernetes.io~nfs/data`]
    expect(named({ 'io.kubernetes.cri.sandbox-uid': uid })).toEqual(all)
    const label = { 'io.kubernetes.pod.uid': uid }
    expect(named({ ...label, 'io.kubernetes.cri-o.SandboxID': 'pod' })).toEqual(all)
    expect(named(label)).toEqual([])
    for (const other of ['', 'other', `../${uid}`, 'stray'])
      expect(named({ 'io.kubernetes.cri.sandbox-uid': other })).toEqual([])
    expect(named({})).toEqual([])
  } finally {
    rmSync(kubelet, { recursive: true })
  }
})
