/** A share for a machine without a sandbox: virtiofsd as it comes, in the stage's private directory. */
import { closeSync, existsSync, lchownSync, mkdirSync } from 'node:fs'
import { connectUnix } from '../../src/linux/sockets/socket.ts'
import type { Vmm } from '../../src/vmm/vmm.ts'
import { eventually } from '../harness/kata.ts'
import type { MachineStage } from './stage.ts'

export interface ServedShare extends AsyncDisposable {
  /** On the host. */
  readonly directory: string
  /** Plugs it into a running machine, in the way that its VMM takes. */
  plug(machine: Vmm): Promise<void>
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
  return {
    directory,
    async plug(machine) {
      const byPath = sharesBy === 'path'
      if (byPath) lchownSync(socket, identity.uid, identity.gid)
      const attached = byPath ? socket : connectUnix(socket)
      await machine.plugShare({ tag: 'kataShared', socket: attached, queueSize: 1024 })
      if (typeof attached === 'number') closeSync(attached)
    },
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGKILL')
      await daemon.exited
    },
  }
}
