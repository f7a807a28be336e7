/** runc and gVisor's runsc, called as containerd's shims call them: by a bundle. Both take the same words. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { mustCommand } from '../command.ts'
import type { Absent, Peer } from './peer.ts'

export type OciRuntime = 'runc' | 'runsc'

/** Without a network, as `kata-ts run` starts. */
const options: Readonly<Record<OciRuntime, readonly string[]>> = { runc: [], runsc: ['--network=none'] }

/** `directory` gets its bundles and state. */
export function ociPeer(program: OciRuntime, directory: string): Peer | Absent {
  const path = Bun.which(program)
  if (path === null) return { name: program, why: `not installed (apt-get install ${program})` }
  const area = join(directory, program)
  const command = (...args: string[]) => [path, '--root', join(area, 'state'), ...options[program], ...args]
  // A name, and a bundle, for each time.
  let opened = 0
  const held = () => `${program}-exec-${opened}`
  return {
    name: program,
    until: 'until the first output',
    async start(id) {
      const bundle = makeBundle(path, join(area, id), ['/bin/echo', 'x'])
      const { firstByteMs } = await mustCommand(command('run', '--bundle', bundle, id))
      if (firstByteMs === undefined) throw new Error(`${program} printed nothing`)
      return firstByteMs
    },
    exec: {
      async open() {
        opened++
        const bundle = makeBundle(path, join(area, held()), ['/bin/sleep', '3600'])
        // Its streams are the container's, so they must not be ours.
        const child = Bun.spawn(command('run', '--detach', '--bundle', bundle, held()), {
          stdio: ['ignore', 'ignore', 'ignore'],
        })
        const code = await child.exited
        if (code !== 0) throw new Error(`${program} run --detach ended with ${code}`)
      },
      run: () => mustCommand(command('exec', held(), '/bin/echo', 'x')),
      async close() {
        await mustCommand(command('delete', '--force', held()))
      },
    },
  }
}

/** The same busybox that `kata-ts run` has when it is not given an image. */
function makeBundle(program: string, bundle: string, args: readonly string[]): string {
  const rootfs = join(bundle, 'rootfs')
  for (const name of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc', 'run'])
    mkdirSync(join(rootfs, name), { recursive: true })
  copyFileSync(busyboxPath, join(rootfs, 'bin/busybox'))
  chmodSync(join(rootfs, 'bin/busybox'), 0o755)
  for (const name of ['echo', 'sleep']) symlinkSync('busybox', join(rootfs, 'bin', name))
  const { exitCode, stderr } = Bun.spawnSync([program, 'spec', '--bundle', bundle], { stdin: 'ignore' })
  if (exitCode !== 0) throw new Error(`${program} spec ended with ${exitCode}: ${stderr}`)
  const path = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(path, 'utf8'))
  spec.process = { ...spec.process, terminal: false, args }
  writeFileSync(path, JSON.stringify(spec))
  return bundle
}
