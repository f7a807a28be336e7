/** The root file system that needs no image: one static busybox with all its names, and the files a program expects. */
import { chmodSync, linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { cachedDirectory } from './content-cache.ts'

/** Changed when the layout below changes: it is part of the cache's name. */
const layoutVersion = 1

const files: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nbin:x:1:1:bin:/bin:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nbin:x:1:\ntty:x:5:\nnogroup:x:65534:\n',
  'etc/hostname': 'kata-ts\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
  'etc/resolv.conf': '',
  'etc/profile': 'export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n',
  'etc/os-release': 'ID=kata-ts\nNAME="kata-ts busybox"\nPRETTY_NAME="kata-ts busybox"\n',
}
const directories =
  'bin dev etc home mnt opt proc root run sbin sys tmp usr usr/bin usr/sbin var var/tmp'.split(' ')

/**
 * Directory with the root file system of `busybox` (the bytes of a static executable), made once per content below
 * `<cacheDir>/rootfs`. It is a lower layer: nothing may write to it.
 *
 * @throws KataError ROOTFS_UNPACK_FAILED if busybox does not run on this host or the disk is full.
 */
export async function embeddedRootfs(busybox: Uint8Array, cacheDir: string): Promise<string> {
  const digest = new Bun.CryptoHasher('sha256').update(busybox).digest('hex')
  const cache = `${cacheDir}/rootfs`
  try {
    return await cachedDirectory(cache, `busybox-${layoutVersion}-${digest}`, (directory) =>
      build(busybox, directory),
    )
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new KataError('ROOTFS_UNPACK_FAILED', { what: 'busybox', directory: cache, reason }, { cause })
  }
}

async function build(busybox: Uint8Array, root: string): Promise<void> {
  for (const name of directories) mkdirSync(`${root}/${name}`, { mode: 0o755 })
  chmodSync(`${root}/root`, 0o700)
  for (const name of ['tmp', 'var/tmp']) chmodSync(`${root}/${name}`, 0o1777)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${root}/${name}`, text, { mode: 0o644 })
  writeFileSync(`${root}/bin/busybox`, busybox)
  chmodSync(`${root}/bin/busybox`, 0o755)
  for (const path of await appletPaths(`${root}/bin/busybox`)) {
    // Hard links: they need no path to be right, and virtiofs serves one inode for all.
    if (path !== 'bin/busybox') linkSync(`${root}/bin/busybox`, `${root}/${path}`)
  }
}

/** Where busybox wants its names, for instance `usr/bin/env`. */
async function appletPaths(program: string): Promise<string[]> {
  const child = Bun.spawn([program, '--list-full'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
    timeout: 10_000,
    killSignal: 'SIGKILL',
  })
  const text = await new Response(child.stdout).text()
  const code = await child.exited
  if (code !== 0) throw new Error(`busybox --list-full ended with ${code}`)
  return text.split('\n').filter((path) => /^(usr\/)?s?bin\/[^/]+$/.test(path))
}
