/** A pod of two containers as a kubelet asks for it: a web server and a sidecar, with a ConfigMap and termination messages. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { podCgroup } from '../../e2e/containerd/cgroups.ts'
import { type ContainerOptions, ownPids } from '../../e2e/containerd/cri.ts'

export const containerNames = ['web', 'side'] as const
export type ContainerName = (typeof containerNames)[number]

/** The port of the web server. */
export const port = 8080
const stopped = 'trap "exit 0" TERM'

const commands: Readonly<Record<ContainerName, string>> = {
  web: `${stopped}; httpd -f -p ${port} -h /settings & wait $!`,
  side: `${stopped}; sleep 1000000 & wait $!`,
}

export interface PodFiles {
  readonly name: string
  readonly uid: string
  readonly directory: string
}

/** Where kubelet has the ConfigMap. */
export const volumeOf = ({ directory }: PodFiles): string =>
  join(directory, 'volumes/kubernetes.io~configmap/settings')

export function sandboxConfig({ name, uid }: PodFiles, attempt: number, logDirectory: string) {
  const labels = { 'io.kubernetes.pod.name': name, 'io.kubernetes.pod.uid': uid }
  return {
    metadata: { name, uid, namespace: 'default', attempt },
    hostname: name,
    labels,
    logDirectory,
    linux: { cgroupParent: `/${podCgroup}`, securityContext: ownPids },
  }
}

/** The file that kubelet makes for the termination message of one start of a container; its name is a number of 32 bits. */
export function terminationFile({ directory }: PodFiles, name: ContainerName, attempt: number): string {
  const files = join(directory, 'containers', name)
  mkdirSync(files, { recursive: true })
  const file = join(files, attempt.toString(16).padStart(8, '0'))
  writeFileSync(file, '')
  return file
}

export function containerConfig(files: PodFiles, name: ContainerName, attempt: number, message: string) {
  const options: ContainerOptions = {
    metadata: { name, attempt },
    logPath: `${files.name}-${name}-${attempt}.log`,
    mounts: [
      { hostPath: volumeOf(files), containerPath: '/settings', readonly: true },
      { hostPath: message, containerPath: '/dev/termination-log' },
    ],
  }
  return { command: ['sh', '-c', commands[name]], options }
}
