import { expect, test } from 'bun:test'

test.skipIf(process.getuid?.() !== 0)(
  'a program that the host does not have is told with its package',
  async () => {
    const code = `
    import { networkTool } from '${import.meta.dir}/tools.ts'
    for (const name of ['sleep', 'readlink'])
      try { console.log(networkTool(name)) } catch (error) { console.log(error.message) }`
    const hidden = 'mount --bind /dev/null /usr/bin/readlink; exec "$@"'
    const argv = ['/bin/sh', '-ec', hidden, 'sh', process.execPath, '-e', code]
    const run = Bun.spawn(['/usr/bin/unshare', '--mount', ...argv], { stderr: 'inherit' })
    const [there, missing] = (await run.stdout.text()).split('\n')
    expect(there).toBe('/usr/bin/sleep')
    expect(missing).toMatch(
      /^\[NETWORK_PROGRAM_MISSING\] a container's network needs readlink, .*apt-get install coreutils/,
    )
  },
)
