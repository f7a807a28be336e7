import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, mountEntries, mountsBelow, unmountBelow } from './mount.ts'
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

test('a source that is a dash, as people write it who have none, is no end of the fields', () => {
  const target = mkdtempSync(`${tmpdir()}/mount-`)
  try {
    inNewMountNamespace(() => {
      mount({ source: '-', target, type: 'tmpfs', data: 'size=64k' })
      const found = mountEntries().find(({ point }) => point === target)
      expect([found?.type, found?.options]).toEqual(['tmpfs', expect.stringContaining('size=64k')])
      unmountBelow(target)
    })
  } finally {
    rmSync(target, { recursive: true })
  }
})
