import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SyscallError } from '../../linux/libc.ts'
import type { SaveTo } from '../../vmm/vmm.ts'
import { saveTemplate } from './save-template.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-save-template-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const saved = () => ({ state: `${directory}/state`, memory: `${directory}/memory` })

test.each([true, false])('its files are written; a memory of its own: %p', async (hasMemoryFile) => {
  const save = async ({ state, memory }: SaveTo) => {
    writeFileSync(state, 'devices')
    if (memory !== undefined) writeFileSync(memory, 'pages')
  }
  await saveTemplate({ save }, saved(), { templatePath: directory, hasMemoryFile })
  expect(readFileSync(saved().state, 'utf8')).toBe('devices')
  if (hasMemoryFile) expect(readFileSync(saved().memory, 'utf8')).toBe('pages')
})

test('a full disk is told as that, whoever found it, and nothing else is', async () => {
  const fails = (error: Error) =>
    saveTemplate({ save: () => Promise.reject(error) }, saved(), {
      templatePath: '/templates',
      hasMemoryFile: false,
    }).finally(() => rmSync(saved().state))
  const byVmm = fails(new SyscallError('migrate of the VMM', 'ENOSPC'))
  await expect(byVmm).rejects.toThrow(
    '[TEMPLATE_DISK_FULL] no space is left for a machine template in /templates',
  )
  const byUs = fails(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  await expect(byUs).rejects.toThrow('[TEMPLATE_DISK_FULL]')
  await expect(fails(new Error('gone'))).rejects.toThrow('gone')
})
