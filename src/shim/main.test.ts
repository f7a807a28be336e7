/** What containerd reads of an action that fails. */
import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bundleFile } from '../bundle/files.ts'
import { shimName } from '../version.ts'

test.each([
  ['start', '/proc/no-such-run', '[FILE_FAILED] mkdir /proc/no-such-run'],
  ['begin', '/proc/no-such-run', '[SHIM_USAGE] '],
])('%s in %s says what failed, with its code', (action, runDir, said) => {
  const bundle = mkdtempSync(`${tmpdir()}/shim-main-`)
  try {
    const flags = ['-namespace', 'n', '-id', 'c', '-bundle', bundle, '-run-dir', runDir]
    const child = Bun.spawnSync([process.execPath, `${import.meta.dir}/../cli/main.ts`, ...flags, action], {
      argv0: shimName,
      cwd: bundle,
      stdin: 'ignore',
    })
    expect(child.stdout.toString()).toBe('')
    expect(child.stderr.toString()).toContain(said)
    expect(child.exitCode).toBe(1)
    if (action === 'start')
      expect(JSON.parse(readFileSync(bundleFile(bundle, 'actionFailure'), 'utf8')).code).toBe('FILE_FAILED')
  } finally {
    rmSync(bundle, { recursive: true })
  }
})
