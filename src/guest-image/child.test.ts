/** What becomes of the programs that a build of the guest image runs. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dependencyOf } from './apt.ts'
import { mustRunTool, runTool } from './child.ts'
import { runCompiler } from './compile.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/child-`)
})
afterAll(() => rmSync(directory, { recursive: true }))

const options = (timeout = 10_000) => ({ env: { PATH: `${directory}:/usr/bin:/bin` }, timeout })
const program = (name: string, script: string) =>
  writeFileSync(`${directory}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 })

test('a tool that fails is told with its last line', async () => {
  program('fails', 'echo first >&2; echo the reason >&2; exit 3')
  await expect(mustRunTool(['fails'], directory, options())).rejects.toMatchObject({
    code: 'IMAGE_TOOL_FAILED',
    fields: { tool: 'fails', reason: 'the reason' },
    remedy: 'See the message of fails.',
  })
  program('silent', 'exit 3')
  await expect(mustRunTool(['silent'], directory, options())).rejects.toThrow('silent failed: exit code 3')
})

test('one that takes too long is ended, and its time is told', async () => {
  await expect(runTool(['sleep', '100'], options(50))).rejects.toMatchObject({
    code: 'IMAGE_TOOL_FAILED',
    fields: { tool: 'sleep', reason: 'it was ended by SIGTERM; its deadline is 0.05 s' },
  })
})

test('a package that apt does not know is told by name', async () => {
  program('apt-cache', 'echo "N: No packages found" >&2')
  await expect(dependencyOf('linux-image-amd64', /^linux-image-/, options())).rejects.toMatchObject({
    code: 'IMAGE_PACKAGE_UNKNOWN',
    fields: { name: 'linux-image-amd64', reason: 'N: No packages found' },
    remedy: expect.stringContaining('/etc/apt/sources.list'),
  })
  program('apt-cache', 'echo "linux-image-amd64"; echo "  Depends: linux-image-6.12"')
  expect(await dependencyOf('linux-image-amd64', /^linux-image-/, options())).toBe('linux-image-6.12')
})

test('a compiler that is missing, or does not like its input, is told', async () => {
  await expect(runCompiler(['no-such-compiler'], directory, undefined)).rejects.toMatchObject({
    code: 'GUEST_BUILD_TOOL',
    fields: { program: 'no-such-compiler' },
    remedy: expect.stringContaining('apt-get install gcc'),
  })
  await expect(
    runCompiler(['sh', '-c', 'echo "x.c:1: error" >&2; exit 1'], directory, undefined),
  ).rejects.toMatchObject({
    code: 'GUEST_BUILD_FAILED',
    fields: { step: 'sh -c', output: 'x.c:1: error' },
    remedy: expect.stringContaining('of Debian 13'),
  })
})
