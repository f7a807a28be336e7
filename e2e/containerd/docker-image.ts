/** An image with Docker's daemon and all that it starts, of programs that are installed here or unpacked below build/, with their libraries. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { dockerDir, iptablesPath } from '../../setup/packages/docker.ts'
import type { TestEntry } from '../../src/images/testing.ts'
import { busyboxFiles, makeArchive } from './images.ts'

export const dockerImage = 'localhost/kata-ts/docker:latest'
const libraries = 'usr/lib/x86_64-linux-gnu'
/** Where programs are looked for; those of iptables find their extensions at this place. */
const extensions = `${libraries}/xtables`
const path = `${process.env.PATH}:${dockerDir}/usr/bin:${dockerDir}/usr/sbin`
const programs = ['dockerd', 'docker', 'docker-proxy', 'containerd', 'containerd-shim-runc-v2', 'runc']

/**
 * As the images of Docker in Docker begin: their own processes leave the root of the cgroups for a child, so that those of containers
 * can be limited beside it. containerd runs for itself, because dockerd waits 15 s for one that it starts, however slow the machine is.
 */
const entry = `#!/bin/sh
set -e
cd /sys/fs/cgroup
mkdir own
xargs -n1 <cgroup.procs >own/cgroup.procs || true
sed 's/ / +/g; s/^/+/' cgroup.controllers >cgroup.subtree_control
cd /
containerd -c /containerd.toml &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.2; done
exec dockerd --containerd /run/containerd/containerd.sock "$@"
`

/** Without plugins that dockerd has no use for. */
const configuration = `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile"]
`

/** Which of the programs are missing, as the reason to skip a test; undefined when all are there. */
export function noDockerImage(): string | undefined {
  const missing = [...programs, iptablesPath].filter((name) => Bun.which(name, { PATH: path }) === null)
  return missing.length === 0 ? undefined : `skipped: ${missing.join(', ')} cannot be had`
}

/** The image as an OCI archive. */
export function makeDockerImage(): Buffer {
  const found = [...programs.map((name) => Bun.which(name, { PATH: path })!), iptablesPath]
  const file = (from: string, name: string): TestEntry => ({ name, content: readFileSync(from), mode: 0o755 })
  const link = (linkName: string, name: string): TestEntry => ({ name, type: '2', linkName })
  const links = ['iptables', 'ip6tables'].map((name) => link('xtables-nft-multi', `usr/local/bin/${name}`))
  const parents = ['lib', 'lib64', dirname(libraries), libraries, extensions, 'usr/local', 'usr/local/bin']
  const layer = [
    ...busyboxFiles(),
    ...parents.map((name) => ({ name, type: '5', mode: 0o755 })),
    ...found.map((from) => file(from, `usr/local/bin/${from.split('/').at(-1)}`)),
    ...librariesOf(found).map((from) => file(from, placeOf(from))),
    ...readdirSync(join(dockerDir, extensions)).map((name) =>
      file(join(dockerDir, extensions, name), `${extensions}/${name}`),
    ),
    ...links,
    { name: 'entry', content: entry, mode: 0o755 },
    { name: 'containerd.toml', content: configuration },
  ]
  return makeArchive(dockerImage, [layer], {
    Entrypoint: ['/entry'],
    Env: ['PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'],
  })
}

/** The loader has a place of its own, all others one together. */
const placeOf = (library: string): string => {
  const name = library.split('/').at(-1)!
  return name.startsWith('ld-') ? `lib64/${name}` : `${libraries}/${name}`
}

/** The libraries that programs are linked with, as the loader of this host finds them. */
function librariesOf(files: readonly string[]): string[] {
  const env = { LD_LIBRARY_PATH: join(dockerDir, libraries) }
  const { stdout } = Bun.spawnSync(['ldd', ...files], { env: { PATH: process.env.PATH ?? '', ...env } })
  return [...new Set([...stdout.toString().matchAll(/(\/\S+\.so\S*)/g)].map(([, library]) => library!))]
}
