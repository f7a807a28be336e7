import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../../log.ts'
import { kvmGroups } from './kvm-group.ts'

let directory: string
const warnings: string[] = []
const log = createLogger({ sink: ({ message }) => warnings.push(message) })

function node(name: string, gid: number, mode: number): string {
  const path = `${directory}/${name}`
  Bun.spawnSync(['/usr/bin/mknod', path, 'c', '10', '232'])
  chownSync(path, 0, gid)
  chmodSync(path, mode)
  return path
}

beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/kvm-`)
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('kvm group', () => {
  test('is the group of the node under kvm and auto, and none under tcg', () => {
    const good = node('good', 993, 0o660)
    expect(kvmGroups('kvm', log, good)).toEqual([993])
    expect(kvmGroups('auto', log, good)).toEqual([993])
    expect(kvmGroups('tcg', log, good)).toEqual([])
    expect(warnings.splice(0)).toEqual([])
  })

  test('a root:root node is an error with three commands under kvm, and no group under auto', () => {
    const closed = node('closed', 0, 0o600)
    expect(() => kvmGroups('kvm', log, closed)).toThrow(
      /KVM_GROUP_UNUSABLE.*groupadd kvm -r.*chown root:kvm.*chmod 660.*`kata-ts check`.*accelerator = "tcg"/,
    )
    expect(kvmGroups('auto', log, closed)).toEqual([])
    expect(warnings.splice(0)).toEqual([])
    expect(() => kvmGroups('kvm', log, node('open', 0, 0o666))).toThrow('KVM_GROUP_UNUSABLE')
    expect(() => kvmGroups('kvm', log, node('readable', 993, 0o640))).toThrow('KVM_GROUP_UNUSABLE')
  })

  test('a node that everybody can write is warned about', () => {
    expect(kvmGroups('kvm', log, node('world', 993, 0o666))).toEqual([993])
    expect(warnings.splice(0)[0]).toContain('every user')
  })

  test('a missing node is an error under kvm and no group under auto', () => {
    expect(() => kvmGroups('kvm', log, `${directory}/none`)).toThrow(/KVM_MISSING.*does not exist/)
    writeFileSync(`${directory}/file`, '')
    expect(() => kvmGroups('kvm', log, `${directory}/file`)).toThrow(/KVM_MISSING.*character device/)
    expect(kvmGroups('auto', log, `${directory}/none`)).toEqual([])
    expect(warnings).toEqual([])
  })
})
