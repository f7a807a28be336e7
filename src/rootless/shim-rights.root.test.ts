import { expect, test } from 'bun:test'

test('what begins with the rights of a daemon has no memory in its cores, whoever collects them', () => {
  const program = `
    const { dropRights } = await import('${import.meta.dir}/shim-rights.ts')
    dropRights()
    Bun.spawnSync(['setpriv', '--reuid', '65534', '--', 'cat', '/proc/self/coredump_filter'], { stdout: 'inherit' })
  `
  const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', program])
  expect([stdout.toString().trim(), stderr.toString()]).toEqual(['00000000', ''])
})
