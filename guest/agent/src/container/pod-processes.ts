/**
 * The first process of a pid namespace that the containers of a pod share, where the pod has no container of its own for that (containerd 2's
 * `sandboxer = "shim"`). Without it the first container's process would be the first of all, and the kernel would end every other container
 * with that one. It does what the pause container does: it waits for those that have lost their parent.
 */
import { readlink } from 'os'
import type { Loop } from '../devices/loop.ts'
import { planPipes } from '../streams/stdio.ts'
import { makeDirectories, save } from '../system/files.ts'
import { toJson } from '../system/json.ts'
import { bundles } from '../system/paths.ts'
import { cgroupOf } from './cgroup.ts'
import type { Crun } from './crun.ts'
import { closeStdio, trackProcess } from './process.ts'
import { createReaper } from './reaper.ts'

/** No container can have it: `idPattern`. */
const id = '_pod'
/** The agent's own program, as it is called there. */
const program = '/pause'
/** Kubernetes has ids up to 2^31 - 1 only. A process of the same user could trace this one, and would be rid of its seccomp filter. */
const nobodyElse = 4_294_967_294
/** As a kubelet gives it to a pause container. */
const oomScoreAdj = -998

/** Whether this process was started as one. */
export const isPodProcess = ([name]: readonly string[]): boolean => name === program

/** What it does, until it is killed. */
export function waitForOrphans(loop: Loop): void {
  createReaper(loop)
}

export class PodProcesses {
  readonly #tools: { readonly loop: Loop; readonly crun: Crun }
  #pid: Promise<number> | undefined

  constructor(tools: { readonly loop: Loop; readonly crun: Crun }) {
    this.#tools = tools
  }

  /** Its number; it is started by the first call. `namespaces` are to be joined, by type. @throws TtrpcError with crun's words. */
  pid(namespaces: Readonly<Record<string, string>>): Promise<number> {
    this.#pid ??= this.#start(namespaces).catch((error) => {
      this.#pid = undefined
      throw error
    })
    return this.#pid
  }

  async #start(namespaces: Readonly<Record<string, string>>): Promise<number> {
    const { crun, loop } = this.#tools
    const bundle = `${bundles}/${id}`
    const root = `${bundle}/root`
    crun.forget(id)
    // Where crun makes the usual devices.
    makeDirectories(`${root}/dev`, 0o755)
    save(`${bundle}/config.json`, toJson(specOf(root, namespaces)))
    const process = trackProcess(await crun.create(id, bundle, planPipes(loop)))
    crun.start(id)
    void process.ended.then(() => {
      closeStdio(process.stdio)
      this.#pid = undefined
    })
    return process.pid
  }
}

function specOf(root: string, namespaces: Readonly<Record<string, string>>) {
  const types = ['mount', 'pid', 'ipc', 'uts', 'cgroup']
  return {
    ociVersion: '1.0.2',
    root: { path: root, readonly: true },
    process: {
      args: [program],
      cwd: '/',
      env: [],
      terminal: false,
      user: { uid: nobodyElse, gid: nobodyElse },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      noNewPrivileges: true,
      oomScoreAdj,
    },
    mounts: [
      {
        destination: program,
        source: ownProgram(),
        type: 'bind',
        options: ['bind', 'ro', 'nosuid', 'nodev'],
      },
    ],
    linux: {
      cgroupsPath: cgroupOf(id).path,
      namespaces: types.map((type) => ({ type, path: namespaces[type] })),
    },
  }
}

/** The root was moved over the one that the kernel started the agent from, which has the same files. */
function ownProgram(): string {
  const [path] = readlink('/proc/self/exe')
  return path.replace(/^\(unreachable\)/, '')
}
