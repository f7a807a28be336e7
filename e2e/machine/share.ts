/** A share for a machine without a sandbox: virtiofsd as it comes, in the stage's private directory. */
import { closeSync, existsSync, lchownSync, mkdirSync } from 'node:fs'
import type { SyscallError } from '../../src/linux/libc.ts'
import { connectUnix } from '../../src/linux/sockets/socket.ts'
import type { ShareAttachment } from '../../src/vmm/vmm.ts'
import { eventually } from '../harness/kata.ts'
import type { MachineStage } from './stage.ts'

export interface ServedShare extends AsyncDisposable {
  /** On the host. */
  readonly directory: string
  /** For a machine's `share`, in the way that its VMM takes; a descriptor is open for as long as this is. */
  readonly attachment: ShareAttachment
}

export async function serveShare({
  runDir,
  privateDir,
  identity,
  sharesBy,
}: MachineStage): Promise<ServedShare> {
  const directory = `${runDir}/shared`
  mkdirSync(directory)
  const socket = `${privateDir}/vhost-fs.sock`
  const daemon = Bun.spawn(
    ['/usr/libexec/virtiofsd', '--socket-path', socket, '--shared-dir', directory, '--sandbox', 'namespace'],
    { stdio: ['ignore', 'ignore', 'ignore'] },
  )
  await eventually('virtiofsd', () => existsSync(socket) || undefined)
  const byPath = sharesBy === 'path'
  if (byPath) lchownSync(socket, identity.uid, identity.gid)
  const attached = byPath ? socket : await eventually('virtiofsd to listen', () => connected(socket))
  return {
    directory,
    attachment: { tag: 'kataShared', socket: attached, queueSize: 1024 },
    async [Symbol.asyncDispose]() {
      if (typeof attached === 'number') closeSync(attached)
      daemon.kill('SIGKILL')
      await daemon.exited
    },
  }
}

/** Undefined while it is bound and does not listen yet. */
function connected(socket: string): number | undefined {
  try {
    return connectUnix(socket)
  } catch (error) {
    if ((error as SyscallError).errno !== 'ECONNREFUSED') throw error
    return undefined
  }
}
