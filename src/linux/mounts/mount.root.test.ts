import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, mountsBelow, unmountBelow } from './mount.ts'
import { inNewMountNamespace } from './new-namespace.ts'

const MS_MOVE = 8192

test('an older mount that was moved below a newer one goes with that', () => {
  const base = mkdtempSync(`${tmpdir()}/mount-`)
  const [first, later] = [`${base}/first`, `${base}/later`]
  try {
    inNewMountNamespace(() => {
      for (const target of [first, later]) {
        mkdirSync(target)
        mount({ source: 'none', target, type: 'tmpfs' })
      }
      mkdirSync(`${later}/below`)
      mount({ source: first, target: `${later}/below`, flags: MS_MOVE })
      unmountBelow(base)
      expect(mountsBelow(base)).toEqual([])
    })
  } finally {
    rmSync(base, { recursive: true })
  }
})
